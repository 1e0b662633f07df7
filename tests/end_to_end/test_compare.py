"""Two runs beside each other: the same images, counted by hand from what each run left."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from finished_run import ATTACKS, Run

from hardlight.cli import main
from hardlight.evaluation.columns import standing


@pytest.fixture
def other(hardlight: Callable[..., Path], npz: dict[str, list[str]]) -> Run:
    return Run(hardlight("train", *npz["gray"], *ATTACKS, "defense=[ls]", "trainer.max_epochs=1", "seed=3"))


def compared(folder: Path) -> pd.DataFrame:
    (file,) = (folder / "outputs").glob("compare/*/compare.csv")
    assert (file.parent / "figures" / "compare.png").is_file()
    return pd.read_csv(file)


def test_two_trained_runs(
    trained: Run, other: Run, empty_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    odd = tmp_path / "it's {b}, ${c} [d]=e"
    shutil.copytree(trained.folder, odd)
    capsys.readouterr()
    assert main(["compare", str(odd), str(other.folder)]) == 0
    rows = compared(empty_folder)
    assert rows["attack"].value_counts().to_dict() == {"none": 1, "fgsm": 3, "pgd": 3, "noise": 3, "worst": 3}
    for row in rows[~rows["attack"].isin(["none", "worst"])].itertuples():
        a, b = (
            run.samples[(run.samples["attack"] == row.attack) & (run.samples["eps"] == row.eps)]
            for run in (trained, other)
        )
        assert a["index"].tolist() == b["index"].tolist()
        lost, gained = 0, 0
        for in_a, in_b in zip(standing(a), standing(b), strict=True):
            lost += in_a and not in_b
            gained += in_b and not in_a
        assert (row.only_a, row.only_b, row.n) == (lost, gained, 13)
        assert row.difference == pytest.approx((gained - lost) / 13)
    out = capsys.readouterr().out
    assert "none · relu" in out
    assert "ls · relu" in out
    assert "compare.csv" in out


def test_an_evaluation_with_other_settings(
    trained: Run, hardlight: Callable[..., Path], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weaker = hardlight("evaluate", trained.ckpt, "attack=[fgsm,pgd]", "attack.pgd.steps=1", "evaluation.n=5")
    assert main(["compare", str(trained.folder), str(weaker)]) == 0
    out = capsys.readouterr().out
    assert "! pgd is not compared, its settings differ: steps 3 in A and 1 in B" in out
    assert "! only A has noise@" in out
    rows = compared(empty_folder)
    assert set(rows["attack"]) == {"none", "fgsm"}
    assert set(rows["n"]) == {5}
    assert (rows["difference"] == 0).all()


def test_other_files_of_one_name(
    trained: Run, hardlight: Callable[..., Path], npz: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data=npz", *npz["gray"][1:2], npz["gray"][1].replace("source.train", "source.test")]
    swapped = hardlight("evaluate", trained.ckpt, *ATTACKS, *words, "evaluation.n=1")
    assert main(["compare", str(trained.folder), str(swapped)]) == 0
    assert "! the test images may not be the same: data.source.test is " in capsys.readouterr().out


def test_mistakes(
    trained: Run, hardlight: Callable[..., Path], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unattacked = hardlight("evaluate", trained.ckpt, "attack=[]")
    before = sorted(empty_folder.rglob("*"))
    capsys.readouterr()
    for a, b, sentence in (
        (trained.folder, trained.folder / "best.ckpt", "best.ckpt is a file: give the folder of its run"),
        (trained.folder, unattacked, "the runs have no attack in common: only A has fgsm@"),
        (trained.folder, empty_folder / "nowhere", "there is no folder"),
    ):
        assert main(["compare", str(a), str(b)]) == 2
        told = capsys.readouterr().err
        assert sentence in told
        assert told.count("\n") == 1
    assert sorted(empty_folder.rglob("*")) == before


def test_it_needs_no_torch() -> None:
    program = "import sys, hardlight.verbs.compare; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
