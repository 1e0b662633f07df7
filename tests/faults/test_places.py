"""Folders that are gone, that cannot be written, or whose names are odd."""

from pathlib import Path

import pytest

from hardlight.cli import main


def test_a_current_folder_that_is_gone(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty_folder.rmdir()
    assert main(["train"]) == 2
    assert capsys.readouterr().err == "hardlight: the current folder is no longer there: change to another\n"


@pytest.mark.parametrize("outputs", ["/proc/x", "/dev/null/x", "file/x"])
def test_outputs_that_cannot_be_made(outputs: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_folder / "file").touch()
    assert main(["train", f"paths.outputs={outputs}"]) == 2
    said = capsys.readouterr().err
    assert "set paths.outputs to a folder that can be written" in said
    assert said.count("\n") == 1


def test_odd_names(npz: dict[str, list[str]], empty_folder: Path) -> None:
    odd = "a b'c[ü]=,{}"
    short = ["trainer.limit_train_batches=1", "trainer.max_epochs=1", "attack=[]", "evaluation.gallery=0"]
    assert main(["train", *npz["gray"], *short, f'paths.outputs="{odd}"']) == 0
    (ckpt,) = (empty_folder / odd).rglob("best.ckpt")
    assert main(["evaluate", f'ckpt="{ckpt}"', "attack=[fgsm]", "evaluation.gallery=0"]) == 0
