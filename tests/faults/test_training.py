"""A training that cannot go on says why in one sentence, and what it has saved stays as it was."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from hardlight.cli import main

SHORT = ["attack=[fgsm]", "data.batch_size=18", "trainer.max_epochs=2", "evaluation.gallery=2", "name=x"]


@contextmanager
def disk_full_at(size: int) -> Iterator[None]:
    """No file can grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def told(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def run_of(folder: Path) -> Path:
    (run,) = (folder / "outputs" / "x").iterdir()
    return run


def test_a_loss_that_is_nan(npz: dict[str, list[str]], empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *npz["gray"], *SHORT, "optimizer.lr=1e10"]) == 1
    said = told(capsys)
    assert "the loss is not finite at step 2: the learning rate, 1e+10, is likely too large" in said
    assert "no checkpoint had been saved yet" in said
    assert not list(empty_folder.rglob("*.ckpt"))


def test_a_last_batch_that_batchnorm_cannot_be_trained_on(
    npz: dict[str, list[str]], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """36 images: 35 and 1. Before anything is trained, and not where copies make more of the one."""
    net = ["model=torchvision", "model.name=resnet18", "data.batch_size=35"]
    assert main(["train", *npz["gray"], *net]) == 2
    assert "data.batch_size=35 leaves a last batch of one image, which this net cannot be trained on" in told(capsys)
    words = ["defense=[gda]", "defense.gda.copies=1", "trainer.max_epochs=1", "attack=[]"]
    assert main(["train", *npz["gray"], *net, *words]) == 0


def test_adversarial_training_whose_gradient_is_nan(
    npz: dict[str, list[str]], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diverging = ["defense=[at]", "optimizer.lr=1e10"]
    assert main(["train", *npz["gray"], *SHORT, *diverging]) == 1
    assert "the model's gradient is NaN or infinite: weights that diverged" in told(capsys)


def test_the_last_good_checkpoint_is_kept(
    npz: dict[str, list[str]], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rising = ["scheduler=step", "scheduler.step_size=1", "scheduler.gamma=1e15"]  # after the first epoch of two steps
    assert main(["train", *npz["gray"], *SHORT, *rising]) == 1
    assert "the checkpoints up to step 2 are kept" in told(capsys)
    for name in ("last.ckpt", "best.ckpt"):
        checkpoint = torch.load(run_of(empty_folder) / name, weights_only=True)
        assert checkpoint["global_step"] == 2
        assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())


def test_weights_that_are_nan_before_the_training(
    npz: dict[str, list[str]], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *npz["gray"], *SHORT, "model=python", "model.path=nan_net:make"]) == 1
    assert "the net's weights hold NaN or infinite numbers before the training" in told(capsys)


def test_a_disk_that_is_full_when_a_checkpoint_is_saved(
    npz: dict[str, list[str]], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *npz["gray"], *SHORT, "trainer.max_epochs=1"]) == 0
    folder = run_of(empty_folder)
    before = {file: file.read_bytes() for file in folder.glob("*.ckpt")}
    capsys.readouterr()
    with disk_full_at(1_000_000):
        assert main(["train", f"ckpt={folder / 'last.ckpt'}", "trainer.max_epochs=2"]) == 1
    said = told(capsys)
    assert ".ckpt: File too large; what had been written before is kept" in said
    assert {file: file.read_bytes() for file in folder.glob("*.ckpt")} == before
    assert not list(folder.glob(".*.part"))


@pytest.mark.parametrize(("size", "file"), [(5_000, ".parquet"), (25_000, "accuracy.png")])
def test_a_disk_that_is_full_when_results_are_written(
    size: int, file: str, npz: dict[str, list[str]], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *npz["gray"], *SHORT, "trainer.max_epochs=1"]) == 0
    ckpt = f"ckpt={run_of(empty_folder) / 'best.ckpt'}"
    capsys.readouterr()
    with disk_full_at(size):
        assert main(["evaluate", ckpt, "attack=[fgsm]", "name=y"]) == 1
    assert f"{file}: File too large; what had been written before is kept" in told(capsys)
    (folder,) = (empty_folder / "outputs" / "y").iterdir()
    assert not [each for each in folder.rglob("*") if each.name.endswith(file)]
