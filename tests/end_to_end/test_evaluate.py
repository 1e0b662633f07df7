"""Attacking a trained net: white-box, black-box, and nets that were trained elsewhere."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from finished_run import ATTACKS, Run
from torch import nn

from hardlight.cli import main
from hardlight.evaluation.columns import SAMPLE_COLUMNS

NETS = """
from torch import nn

def dense(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Dropout(0.5), nn.Linear(16, num_classes))
"""


@pytest.fixture
def nets(empty_folder: Path) -> None:
    (empty_folder / "nets_of_evaluate.py").write_text(NETS)
    sys.modules.pop("nets_of_evaluate", None)


def but_the_run(run: Run) -> pd.DataFrame:
    return run.samples[[column for column in SAMPLE_COLUMNS if column != "run"]]


def test_white_box_is_what_the_training_ended_with(trained: Run, hardlight: Callable[..., Path]) -> None:
    again = Run(hardlight("evaluate", trained.ckpt, *ATTACKS))
    pd.testing.assert_frame_equal(but_the_run(again), but_the_run(trained), check_exact=True)
    kept = ["data", "model", "activation", "defense", "attack", "eps", "metric", "value", "n", "settings"]
    pd.testing.assert_frame_equal(again.records[kept], trained.records[kept])


def test_dropout_is_off_when_a_net_is_attacked(hardlight: Callable[..., Path], npz: dict[str, list[str]]) -> None:
    words = ["model=cifar_cnn", "model.dropout=0.9", "trainer.max_epochs=1", "attack=[fgsm]"]
    run = Run(hardlight("train", *npz["gray"], *words))
    again = Run(hardlight("evaluate", run.ckpt, "attack=[fgsm]", "data.eval_batch_size=4", *npz["gray"]))
    columns = ["index", "clean_prediction", "adversarial_prediction"]
    pd.testing.assert_frame_equal(again.samples[columns], run.samples[columns])
    assert np.allclose(again.samples["margin"], run.samples["margin"], atol=1e-5)


def test_black_box_keeps_no_clean_copies(
    trained: Run, hardlight: Callable[..., Path], npz: dict[str, list[str]]
) -> None:
    source = hardlight("train", *npz["gray"], "trainer.max_epochs=1", "seed=3", "attack=[noise]") / "best.ckpt"
    run = Run(hardlight("evaluate", trained.ckpt, f"source={source}", "attack=[pgd]", "attack.pgd.steps=3"))
    attacked, white = (each.samples[each.samples["attack"] == "pgd"] for each in (run, trained))
    assert (white["backward_passes"] < 3).any()  # let go at once, being misclassified as they are
    assert (attacked["linf"] > 0).all()
    assert set(attacked["source"]) == {str(source)}
    assert set(attacked["backward_passes"]) == {3}
    (settings,) = set(run.records.loc[run.records["attack"] == "pgd", "settings"])
    assert '"early_stop": false' in settings


def test_a_net_that_was_trained_elsewhere(
    npz: dict[str, list[str]], nets: None, hardlight: Callable[..., Path]
) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Dropout(0.5), nn.Linear(16, 4))
    torch.save(net.state_dict(), "weights.pt")
    own = ["model=python", "model.path=nets_of_evaluate:dense", "model.weights=weights.pt", "attack=[fgsm]"]
    run = Run(hardlight("evaluate", *own, *npz["gray"]))
    with np.load(npz["gray"][2].partition("=")[2]) as test:
        logits = net.eval()(torch.from_numpy(test["images"]) / 255)
    clean = run.samples[run.samples["attack"] == "none"]
    assert clean["adversarial_prediction"].tolist() == logits.argmax(1).tolist()
    assert set(run.records["defense"]) == {"none"}


def test_a_checkpoint_runs_foreign_code_only_if_trusted(
    npz: dict[str, list[str]], nets: None, hardlight: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["model=python", "model.path=nets_of_evaluate:dense", "trainer.max_epochs=1", "attack=[fgsm]"]
    run = Run(hardlight("train", *npz["gray"], *own))
    capsys.readouterr()
    assert main(["evaluate", run.ckpt]) == 2
    told = capsys.readouterr().err
    assert "nets_of_evaluate:dense" in told
    assert "'trust=[nets_of_evaluate]'" in told
    assert main(["evaluate", run.ckpt, "trust=[nets_of]"]) == 2  # no other package that begins so
    again = Run(hardlight("evaluate", run.ckpt, "trust=[nets_of_evaluate]", "attack=[fgsm]"))
    pd.testing.assert_frame_equal(but_the_run(again), but_the_run(run), check_exact=True)


WRONG = {
    "": "evaluate needs ckpt=PATH",
    "CKPT model=cnn": "not both",
    "ckpt=nowhere.ckpt": "no checkpoint at nowhere.ckpt",
    "CKPT source=nowhere.ckpt": "no checkpoint at nowhere.ckpt",
    "CKPT data=cifar10": "was trained for shape [1, 28, 28], data=cifar10 has [3, 32, 32]",
    "CKPT COLOUR": "was trained for shape [1, 28, 28], data=npz has [3, 32, 32]",
    "CKPT data=mnist_sample": "was trained for num_classes 4, data=mnist_sample has 10",
    "CKPT evaluation.n={pdg:3}": "evaluation.n must be one of fgsm, pgd, noise, got 'pdg'; did you mean pgd?",
}


@pytest.mark.parametrize("words", WRONG)
def test_mistakes(
    words: str, trained: Run, npz: dict[str, list[str]], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = words.replace("CKPT", trained.ckpt).replace("COLOUR", " ".join(npz["colour"]))
    assert main(["evaluate", *given.split()]) == 2
    told = capsys.readouterr().err
    assert WRONG[words] in told
    assert told.count("\n") == 1
    assert not (empty_folder / "outputs").exists()
