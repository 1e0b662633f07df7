"""``train ckpt=RUN/last.ckpt``: a run that was stopped ends as if it had not been, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from finished_run import Run
from pytorch_lightning import Callback

from hardlight.build import training
from hardlight.cli import main

TINY = ["attack=[random_fgsm]", "evaluation.gallery=0", "data.batch_size=9", "trainer.log_every_n_steps=1", "name=run"]
DROPOUT = ["model=cifar_cnn", "data.batch_size=18"]
RUNS = {
    "plain": ["gray", "trainer.max_epochs=3"],
    "gda": ["gray", "defense=[gda]", "defense.gda.copies=1", "trainer.max_epochs=2"],
    "at": ["gray", "defense=[at]", "attack@defense.at.attack=random_fgsm", "trainer.max_steps=7"],
    "vat": ["gray", "defense=[vat]", "trainer.max_epochs=2"],
    "dropout": ["colour", *DROPOUT, "trainer.max_epochs=2"],
    "scheduler": ["gray", "scheduler=cosine", "optimizer=sgd", "trainer.max_epochs=3"],
    "one cycle": ["gray", "scheduler=one_cycle", "trainer.max_epochs=-1", "trainer.max_steps=8"],
    "warm-ups": [
        *("gray", "scheduler=warmup", "scheduler.cosine=true", "trainer.max_epochs=2"),
        *("defense=[at]", "callbacks=eps_warmup"),
    ],
    "early stopping": ["gray", "callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optimizer.lr=1e-9"],
    "max_steps": ["gray", "trainer.max_epochs=3", "trainer.max_steps=10"],
    "accumulated": ["gray", "trainer.max_epochs=2", "trainer.accumulate_grad_batches=2"],
    "often validated": ["gray", "trainer.max_epochs=2", "trainer.val_check_interval=2"],
    "seldom validated": ["gray", "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2"],
    "everything": [
        *("colour", *DROPOUT, "defense=[gda,uniform_noise,at,vat]", "attack@defense.at.attack=random_fgsm"),
        *("defense.gda.copies=1", "defense.uniform_noise.copies=1", "trainer.max_epochs=2"),
    ],
}


class Killed(RuntimeError):
    """What ends a run in these tests."""


class Kill(Callback):
    """Ends the run as step ``step`` (from 0) begins, or in the validation that follows it."""

    def __init__(self, step: int, validating: bool = False) -> None:
        self.step = step
        self.validating = validating

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.step and not self.validating:
            raise Killed

    def on_validation_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step >= self.step and self.validating:
            raise Killed


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Where two checkpoints differ, but for what a clock says and what is never read again."""
    if "EpochTime" in where or "current_score" in where:
        return
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if not torch.equal(one, other):
            yield where
    elif isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            yield f"{where}: {set(one) ^ set(other)}"
        for key in one.keys() & other.keys():
            yield from differences(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for at, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{where}/{at}")
    elif one != other:
        yield f"{where}: {one} is not {other}"


def checkpoint(folder: Path, name: str) -> Any:
    """Without the configuration, which knows of its folders, and with each path cut to what is below the run's."""
    found = torch.load(folder / f"{name}.ckpt", weights_only=True)
    del found["hardlight"]
    return below(found, found["callbacks"]["LastCheckpoint"]["folder"])


def below(state: Any, folder: str) -> Any:
    if isinstance(state, dict):
        return {below(key, folder): below(value, folder) for key, value in state.items()}
    return state.replace(folder, "") if isinstance(state, str) else state


def assert_same(one: Path, other: Path, but: int = -1) -> None:
    """Checkpoints, records and curves; of the curves all steps ``but`` one."""
    for name in ("last", "best"):
        assert list(differences(checkpoint(one, name), checkpoint(other, name))) == []
    records = [Run(folder).records.drop(columns=["run", "seconds"]) for folder in (one, other)]
    pd.testing.assert_frame_equal(*records, check_exact=True)
    curves = [pd.read_csv(folder / "metrics.csv").drop(columns="train/epoch_seconds") for folder in (one, other)]
    curves = [rows[rows["step"] != but].reset_index(drop=True) for rows in curves]
    pd.testing.assert_frame_equal(*curves, check_exact=True)


@pytest.fixture
def words(npz: dict[str, list[str]], request: pytest.FixtureRequest) -> list[str]:
    data, *rest = RUNS[request.param]
    return [*TINY, *npz[data], *rest]


def train(outputs: Path, words: list[str]) -> Path:
    """The folder of a new run."""
    assert main(["train", *words, f"paths.outputs={outputs}"]) == 0
    (folder,) = (outputs / "run").iterdir()
    return folder


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path | None]:
    """The folder of a run of these words killed before its step ``before``, all steps having been saved.

    None where it was to be killed in a validation, and none came any more.
    """

    def run(words: list[str], before: int, validating: bool = False) -> Path | None:
        built = training.callbacks

        def callbacks(cfg: Any) -> Any:
            return {**built(cfg), "kill": Kill(before, validating)}

        with monkeypatch.context() as patch:
            patch.setattr(training, "callbacks", callbacks)
            outputs = f"paths.outputs={tmp_path / 'killed'}"
            ended = main(["train", *words, "callbacks.last.save_every=1", outputs]) == 0
        (folder,) = (tmp_path / "killed" / "run").iterdir()
        return None if ended else folder

    return run


MIDWAY = [("gda", 3), ("at", 4), ("vat", 3), ("dropout", 3)]  # of epochs of 4, 4, 4 and 2 steps


@pytest.mark.parametrize(("words", "before"), MIDWAY, indirect=["words"])
def test_stopped_midway_it_ends_as_if_it_had_not_been(words, before: int, killed, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", words)
    stopped = killed(words, before)
    assert not (stopped / "records.csv").exists()
    assert main(["train", f"ckpt={stopped / 'last.ckpt'}"]) == 0
    assert_same(whole, stopped)


@pytest.mark.slow
@pytest.mark.parametrize("words", RUNS, indirect=True)
@pytest.mark.parametrize("validating", [False, True])
def test_stopped_anywhere_it_ends_as_if_it_had_not_been(words, killed, validating: bool, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", words)
    for before in range(1, torch.load(whole / "last.ckpt", weights_only=True)["global_step"]):
        stopped = killed(words, before, validating)
        if stopped is None:
            assert validating
            break
        assert main(["train", f"ckpt={stopped / 'last.ckpt'}"]) == 0
        assert_same(whole, stopped)
        shutil.rmtree(tmp_path / "killed")


KILLED = ["plain", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gda", "at", "vat", "dropout"))]


@pytest.mark.parametrize("words", KILLED, indirect=True)
def test_killed_by_the_system_moved_and_resumed(words, tmp_path: Path, empty_folder: Path) -> None:
    words = [*words, "trainer.max_epochs=10"]
    whole = train(tmp_path / "whole", words)
    command = [sys.executable, "-m", "hardlight", "train", *words, "callbacks.last.save_every=1"]
    with subprocess.Popen(command, cwd=empty_folder, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while not list(empty_folder.rglob("last.ckpt")):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGKILL)
    (last,) = empty_folder.rglob("last.ckpt")
    saved = torch.load(last, weights_only=True)["global_step"]
    assert 0 < saved < 40
    moved = last.parent.rename(tmp_path / "moved")
    assert main(["train", f"ckpt={moved / 'last.ckpt'}"]) == 0
    assert_same(whole, moved, but=saved - 1)  # a step is logged just after it is saved
    assert not list(empty_folder.rglob("*.ckpt"))


@pytest.fixture(scope="module")
def finished(npz: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch."""
    return train(tmp_path_factory.mktemp("finished"), [*TINY, *npz["gray"], "trainer.max_epochs=1"])


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be gone on with."""
    return shutil.copytree(finished, tmp_path / "run" / "of_its_own")


def test_a_longer_training_goes_on_to_what_it_would_have_been(run: Path, npz, tmp_path: Path) -> None:
    began = (run / ".hydra" / "overrides.yaml").read_text()
    whole = train(tmp_path / "whole", [*TINY, *npz["gray"], "trainer.max_epochs=2"])
    assert main(["train", f"ckpt={run / 'last.ckpt'}", "trainer.max_epochs=2"]) == 0
    assert_same(whole, run)
    assert (run / ".hydra" / "overrides.yaml").read_text() == began
    kept = torch.load(run / "last.ckpt", weights_only=True)["hardlight"]["config"]
    assert kept["trainer"]["max_epochs"] == 2
    assert kept["callbacks"]["best"]["dirpath"] == "${paths.output}"


def test_a_finished_run_is_only_attacked_again(run: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"ckpt={run / 'last.ckpt'}"]) == 0
    assert "! the training had ended already, after 4 steps" in capsys.readouterr().out
    assert len(Run(run).records) == len(Run(finished).records)
    assert_same(finished, run)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["ckpt={run}/last.ckpt", "seed=1"], "seed=1: a run goes on with its own settings"),
        (["ckpt={run}/last.ckpt", "trainer=gpu"], "trainer=gpu: a run goes on with its own settings"),
        (["ckpt={run}/last.ckpt", "paths.output=x"], "paths.output=x: a run goes on with its own settings"),
        (["ckpt={run}/last.ckpt", "hydra.run.dir=x"], "hydra.run.dir=x: a run goes on in its own folder"),
        (["-m", "ckpt={run}/last.ckpt"], "a run goes on alone"),
        (["ckpt={run}/best.ckpt"], "take ckpt={run}/last.ckpt"),
        (["ckpt={run}/lats.ckpt"], "did you mean {run}/last.ckpt"),
        (["ckpt={run}"], "did you mean {run}/best.ckpt"),
        (["ckpt={foreign}/last.ckpt"], "was not written by hardlight train"),
        (["ckpt={later}/last.ckpt", "trainer.max_epochs=2"], "trainer.max_epochs=2: the run has 5 behind it"),
    ],
)
def test_what_cannot_be_gone_on_with(words, sentence, run: Path, tmp_path: Path, capsys, empty_folder: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    torch.save({"state_dict": {}}, foreign / "last.ckpt")
    later = shutil.copytree(run, tmp_path / "later")
    torch.save({**torch.load(run / "last.ckpt", weights_only=True), "epoch": 5}, later / "last.ckpt")
    before = sorted(run.iterdir())
    assert main(["train", *(word.format(run=run, foreign=foreign, later=later) for word in words)]) == 2
    assert sentence.format(run=run) in capsys.readouterr().err
    assert sorted(run.iterdir()) == before
    assert [file.name for file in foreign.iterdir()] == ["last.ckpt"]
    assert not list(empty_folder.iterdir())


def test_code_in_a_checkpoint_runs_only_where_it_is_trusted(
    npz, tmp_path: Path, empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_callbacks.py").write_text(
        "import pytorch_lightning as pl\nclass Mine(pl.Callback):\n    def __init__(self): print('Mine was made')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folder = train(tmp_path, [*TINY, *npz["gray"], "debug=fast", "+callbacks.mine._target_=my_callbacks.Mine"])
    capsys.readouterr()
    assert main(["train", f"ckpt={folder / 'last.ckpt'}"]) == 2
    out, err = capsys.readouterr()
    assert "it wants to run code of yours, my_callbacks.Mine; if you trust it, add 'trust=[my_callbacks]'" in err
    assert "Mine was made" not in out
    assert main(["train", f"ckpt={folder / 'last.ckpt'}", "trust=[my_callbacks]"]) == 0
    assert "Mine was made" in capsys.readouterr().out


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle"])
def test_a_scheduler_planned_for_the_run_s_length_keeps_it(npz, tmp_path: Path, capsys, scheduler: str) -> None:
    folder = train(tmp_path, [*TINY, *npz["gray"], "trainer.max_epochs=1", f"scheduler={scheduler}"])
    assert main(["train", f"ckpt={folder / 'last.ckpt'}", "trainer.max_epochs=9"]) == 2
    assert "scheduler is planned for the length that the run began with" in capsys.readouterr().err
