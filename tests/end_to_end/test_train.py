"""What one training leaves behind, and that it is the same every time."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from finished_run import Run
from omegaconf import OmegaConf
from torch import Tensor

from hardlight.evaluation.columns import RECORD_COLUMNS, SAMPLE_COLUMNS

NET = """
from torch import nn

def normed(shape, num_classes):
    return nn.Sequential(nn.BatchNorm2d(shape[0]), nn.Flatten(), nn.Linear(784, num_classes))
"""


def weights(folder: Path, name: str = "best") -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(folder / f"{name}.ckpt", weights_only=True)["state_dict"]
    return state


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_what_it_writes(trained: Run) -> None:
    written = {str(file.relative_to(trained.folder)) for file in trained.folder.rglob("*") if ".hydra" not in str(file)}
    pictures = {"figures", "figures/accuracy.png", "figures/gallery.png"}
    rows = {"records.csv", "samples.parquet", "metrics.csv"}
    assert written >= {"config.yaml", "best.ckpt", "last.ckpt", *rows, *pictures}
    assert not any("@" in name or "=" in name or " " in name for name in written)
    assert list(trained.records) == list(RECORD_COLUMNS)
    assert list(trained.samples) == list(SAMPLE_COLUMNS)
    metrics = set(pd.read_csv(trained.folder / "metrics.csv"))
    assert metrics >= {"val/accuracy", "val/robust_accuracy", "test/accuracy", "train/epoch_seconds"}
    assert metrics >= {f"attack/pgd/{eps:g}/robust_accuracy" for eps in set(trained.samples["eps"]) - {0}}
    saved = OmegaConf.load(trained.folder / "config.yaml")
    assert "${" not in OmegaConf.to_yaml(saved)
    assert saved["attack"]["pgd"]["steps"] == 3


def test_records_agree_with_a_count_of_the_samples(trained: Run) -> None:
    samples, records = trained.samples, trained.records
    assert len(samples) == 13 * (1 + 3 * 3)
    assert not samples.duplicated(["attack", "eps", "index"]).any()
    clean = samples[samples["attack"] == "none"].set_index("index")
    for row in records[records["metric"].isin(["accuracy", "robust_accuracy", "adversarial_accuracy"])].itertuples():
        names = ["fgsm", "pgd", "noise"] if row.attack == "worst" else [row.attack]
        count = 0
        for index, label in enumerate(np.arange(13) % 4):
            mine = samples[(samples["index"] == index) & samples["attack"].isin(names) & (samples["eps"] == row.eps)]
            stands = bool((mine["adversarial_prediction"] == label).all())
            if row.metric == "robust_accuracy":
                stands &= clean.loc[index, "clean_prediction"] == label
            count += stands
        assert (row.n, int(row.n_broken)) == (13, 13 - count)
        assert row.value == pytest.approx(count / 13, abs=1e-12)


def test_the_test_accuracy_that_is_logged_is_the_one_recorded(trained: Run) -> None:
    records, metrics = trained.records, pd.read_csv(trained.folder / "metrics.csv")
    recorded = records.loc[records["metric"] == "accuracy", "value"].item()
    assert metrics["test/accuracy"].dropna().item() == pytest.approx(recorded, abs=1e-6)


EVERYTHING_RANDOM = ["model=cifar_cnn", "defense=[gda,uniform_noise,at,vat]", "attack@defense.at.attack=random_fgsm"]
FEW = ["defense.gda.copies=1", "defense.uniform_noise.copies=1", "data.batch_size=18", "trainer.max_epochs=2"]


def test_a_seed_makes_a_run(hardlight: Callable[..., Path], npz: dict[str, list[str]]) -> None:
    words = ["train", *npz["gray"], *EVERYTHING_RANDOM, *FEW, "attack=[noise,random_fgsm]", "evaluation.gallery=0"]
    first, again, other = hardlight(*words), hardlight(*words), hardlight(*words, "seed=1")
    assert equal(weights(first), weights(again))
    assert equal(weights(first, "last"), weights(again, "last"))
    assert not equal(weights(first), weights(other))
    kept = [column for column in RECORD_COLUMNS if column not in ("run", "seconds")]
    one, two = (Run(folder).records[kept] for folder in (first, again))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_the_test_split_chooses_nothing(hardlight: Callable[..., Path], npz: dict[str, list[str]], tmp_path) -> None:
    words = ["attack=[noise]", "data.batch_size=9", "trainer.max_epochs=3", "optimizer.lr=0.01", "evaluation.gallery=0"]
    honest = hardlight("train", *npz["gray"], *words)
    with np.load(npz["gray"][2].partition("=")[2]) as test:
        np.savez(tmp_path / "wrong.npz", images=test["images"][::-1], labels=(test["labels"] + 1) % 4)
    wrong = hardlight("train", *npz["gray"], f"data.source.test={tmp_path / 'wrong.npz'}", *words)
    assert equal(weights(honest), weights(wrong))
    metrics = [pd.read_csv(folder / "metrics.csv") for folder in (honest, wrong)]
    pd.testing.assert_series_equal(metrics[0]["val/accuracy"], metrics[1]["val/accuracy"])
    assert metrics[0]["test/accuracy"].dropna().item() != metrics[1]["test/accuracy"].dropna().item()


def test_best_is_the_epoch_of_the_highest_validation_accuracy(trained: Run) -> None:
    accuracies = pd.read_csv(trained.folder / "metrics.csv")["val/accuracy"].dropna().tolist()
    best = torch.load(trained.folder / "best.ckpt", weights_only=True)
    assert len(accuracies) == 2
    assert best["epoch"] == int(np.argmax(accuracies))


@pytest.mark.parametrize(("defense", "forwards"), [("at", 2), ("vat", 2), ("gda", 1)])
def test_batch_statistics_are_those_of_the_training_forwards_alone(
    defense: str, forwards: int, hardlight: Callable[..., Path], npz: dict[str, list[str]], empty_folder: Path
) -> None:
    (empty_folder / "normed_net.py").write_text(NET)
    sys.modules.pop("normed_net", None)
    net = ["model=python", "model.path=normed_net:normed", "data.train_eps=0.1", "trainer.max_epochs=1"]
    folder = hardlight("train", *npz["gray"], *net, f"defense=[{defense}]", "attack=[fgsm]", "evaluation.gallery=0")
    state: dict[str, Any] = weights(folder)
    assert state["model.net.0.num_batches_tracked"] == forwards  # crafting, validation and test leave no trace
    with np.load(npz["gray"][1].partition("=")[2]) as train:
        mean = train["images"].mean() / 255
    moved = 1 - 0.9**forwards  # of the way from 0 to the batches' means, each of which is near the data's own
    assert state["model.net.0.running_mean"].item() == pytest.approx(moved * mean, abs=0.1 * (0.1 + 0.02))


def test_the_csv_is_written_whatever_is_chosen(hardlight, npz) -> None:
    folder = hardlight("train", *npz["gray"], "debug=fast", "attack=fgsm", "logger=[]")
    assert "train/epoch_seconds" in set(pd.read_csv(folder / "metrics.csv"))
