"""Every mistake is told in one sentence with what would be right, and leaves nothing behind."""

import shlex
from pathlib import Path

import pytest

from hardlight.cli import main

SAID = {
    "trian": "no verb 'trian'; did you mean train?",
    "--nonsense": "no verb '--nonsense'",
    "train --multirn": "no flag --multirn; did you mean --multirun?",
    "train --cfg jub": "invalid choice: 'jub'",
    "train --resolve": "--resolve goes with --cfg",
    "train -m --cfg job": "--multirun and --cfg do not go together",
    "train --config-dir nowhere": "--config-dir nowhere: there is no folder",
    "train --config-path x": "--config-dir",
    "train --config-name other": "no configuration called other",
    "train --cfg job --package trainr": "did you mean trainer?",
    "train attack.pgd.norm=l7": "attack.pgd.norm must be one of linf, l2, l1, l0, got 'l7'",
    "train attack.pgd=3": "attack.pgd must hold an attack's settings, got 3",
    "train attack.pgd=null": "attack.pgd must hold an attack's settings, got None",
    "train attack.pgd.backward=leaky": "attack.pgd: backward must be one that a layer of the model offers, got 'leaky'",
    "train +attack.pgd.stepz=3": "attack.pgd has no setting stepz",
    "train attack.pgd._target_=hardlight.attacks.Nope": "attack.pgd._target_: No module named 'hardlight.attacks.Nope'",
    "train 'attack=[worst_of]' attack.worst_of.attacks.pgd.steps=0": "attack.worst_of.attacks.pgd: steps must be",
    "train 'attack=[worst_of]' attack.worst_of.attacks.pgd.eps=0.5": "set attack.worst_of.eps",
    "train defense=at attack@defense.at.attack=worst_of defense.at.attack.attacks.pgd.eps=1": "defense.at.attack.eps",
    "train seed": "'seed' is not a setting: a setting has a name, as in seed=VALUE",
    "evaluate some/best.ckpt": "as in ckpt=some/best.ckpt",
    "train =3": "'=3' has no name",
    "train 'seed=['": "'seed=[' cannot be read",
    "train 'name=a b(c'": "quote it twice",
    "train model=cn": "model=cn: there is no model 'cn'; did you mean cnn?",
    "train model=null": "model takes one of its options (",
    "train trainer=3": "trainer takes one of its options (",
    "train 'defense=[gdaa]'": "there is no defense 'gdaa'; did you mean gda?",
    "train defense=gdaa": "there is no defense 'gdaa'; did you mean gda?",
    "train -m 'defense=[],[gda],[ga]'": "defense=[ga]: there is no defense 'ga'; did you mean gda?",
    "train 'defense=[at]' attack@defense.at.attack=pgdd": "there is no attack 'pgdd'; did you mean pgd?",
    "train experiment=nothing_like_it": "there is no experiment 'nothing_like_it'",
    "train modle=cnn": "no setting modle; did you mean model?",
    "train trainer.max_epoch=3": "no setting trainer.max_epoch; did you mean trainer.max_epochs?",
    "train -m seed=0,1 trainer.max_epoch=3": "did you mean trainer.max_epochs?",
    "train lr=0.1": "did you mean optimizer.lr?",
    "train trainr.max_epochs=3": "did you mean trainer.max_epochs?",
    "train defense.gda.sigma=0.1": "gda is not chosen, as in 'defense=[gda]'",
    "evaluate data.batch_size=3": "no data is chosen",
    "train ~foo": "'foo' does not exist",
    "train seed=abc": "seed=abc: Value 'abc'",
    "train -m seed=0,abc": "seed=abc: Value 'abc'",
    "train evaluation.gallery=few": "evaluation.gallery=few: Value 'few'",
    "train seed=0,1": "seed=0,1 asks for several runs: add -m",
    "train defense=gda,ls": "or write 'defense=[gda,ls]' for a list",
    "train model=python": "model.path has no value yet: give model.path=VALUE",
    "train 'seed=${nowhere}'": "refers to ${nowhere}, which is not set",
    "train 'name=${oc.env:HARDLIGHT_NOT_SET}'": "HARDLIGHT_NOT_SET",
    "train ~optimizer": "a run needs its optimizer",
    "train data.source=null": "data must be chosen",
    "train seed=-1": "seed must be a whole number from 0 to 4294967295, got -1",
    "train seed=4294967296": "from 0 to 4294967295",
    "train chunk=0": "chunk must be a whole number of at least 1",
    "train evaluation.gallery=-1": "evaluation.gallery must be a whole number of at least 0, got -1",
    "train trainer.max_epochs=null": "trainer.max_epochs must be a number where trainer.max_steps is -1",
    "train trainer.limit_train_batches=abc": "trainer.limit_train_batches must be a number of at least 0, got 'abc'",
    "train trainer.check_val_every_n_epoch=0": "trainer.check_val_every_n_epoch must be a whole number of at least 1",
    "train trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches must be a whole number of at least 1",
    "train trainer.log_every_n_steps=-1": "trainer.log_every_n_steps must be a whole number of at least 0",
    "train trainer.enable_progress_bar=maybe": "trainer.enable_progress_bar must be true or false, got 'maybe'",
    "train callbacks.best.monitor=val/acc": "did you mean val/accuracy?",
    "train callbacks=early_stopping callbacks.early_stopping.patience=-1": "patience must be a whole number",
    "train paths.outputs=/dev/null": "set paths.outputs to a folder that can be written",
    "train -m seed=0,1 paths.outputs=/dev/null": "set paths.outputs to a folder that can be written",
    "train callbacks.best.monitor=foo": "callbacks.best.monitor must be one of val/accuracy, val/robust_accuracy",
    "train callbacks=early_stopping callbacks.early_stopping.monitor=loss": "did you mean train/loss?",
    "train optimizer.lr=[1]": "optimizer.lr must be a number, got [1]",
    "train optimizer.lr=1e400": "optimizer.lr must be a number, got inf",
    "train trainer.gradient_clip_val=-1": "trainer.gradient_clip_val must be a number of at least 0, got -1",
    "train trainer.sync_batchnorm=3": "trainer.sync_batchnorm must be true or false, got 3",
    "train data.train_eps=nan": "data.train_eps must be a number greater than 0, got nan",
    "train data.shape=3": "data.shape must be (channels, height, width), got 3",
    "evaluate ckpt=x.ckpt trust=mine": "trust=mine: trust takes a list, as in 'trust=[mine]'",
    "train hydra/launcher=jobs": "no hydra/launcher 'jobs'",
}


@pytest.mark.parametrize("line", SAID)
def test_one_sentence(line: str, capsys: pytest.CaptureFixture[str], empty_folder: Path) -> None:
    assert main(shlex.split(line)) == 2
    out, err = capsys.readouterr()
    assert SAID[line] in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert out == ""
    assert list(empty_folder.iterdir()) == []


def test_a_configuration_file_that_is_no_yaml(
    capsys: pytest.CaptureFixture[str], empty_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "conf" / "attack").mkdir(parents=True)
    (tmp_path / "conf" / "attack" / "mine.yaml").write_text("a: [")
    assert main(["train", "--config-dir", str(tmp_path / "conf"), "attack=[mine]"]) == 2
    err = capsys.readouterr().err
    assert "no YAML" in err
    assert "mine.yaml" in err
    assert err.count("\n") == 1
