"""Images crafted on each of two nets, tested on both: against evaluate, and crafted once."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from finished_run import Run

from hardlight.cli import main
from hardlight.evaluation.columns import RECORD_COLUMNS, SAMPLE_COLUMNS

ATTACKS = ["attack=[fgsm,pgd]", "attack.pgd.steps=3"]
COLUMNS = ["index", "label", "clean_prediction", "adversarial_prediction", "margin", "linf", "backward_passes"]


@pytest.fixture(scope="module")
def other(npz: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second net, behind a defense that changes its images."""
    outputs = tmp_path_factory.mktemp("other")
    words = ["defense=[fs]", "trainer.max_epochs=1", "seed=3", "attack=[noise]", "name=fs", f"paths.outputs={outputs}"]
    assert main(["train", *npz["gray"], *words]) == 0
    return next((outputs / "fs").iterdir()) / "best.ckpt"


@pytest.fixture
def models(trained: Run, other: Path) -> str:
    return f"models={{plain: {trained.folder / 'best.ckpt'}, fs: {other}}}"


def test_the_matrix_is_that_of_evaluate(
    trained: Run,
    other: Path,
    models: str,
    hardlight: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = Run(hardlight("transfer", models, *ATTACKS, "logger=wandb"))
    media = run.folder / "wandb" / "latest-run" / "files" / "media"
    assert len(list(media.rglob("records_*.table.json"))) == len(list(media.rglob("transfer_*.png"))) == 1
    out = capsys.readouterr().out
    assert "pgd linf 0.03137" in out
    assert "transfer.png" in out
    assert (run.folder / "figures" / "transfer.png").is_file()
    page = (run.folder / "statement.md").read_text("utf-8")
    assert "crafted on fs, with its weights and gradients: white-box for it, black-box for the others" in page
    assert "No white-box attack ran" not in page
    assert f"## Net: {other}" in page
    assert list(run.samples) == list(SAMPLE_COLUMNS)
    assert list(run.records) == list(RECORD_COLUMNS)
    assert set(run.records.loc[run.records["run"] == "fs", "defense"]) == {"fs"}
    paths = {"plain": str(trained.folder / "best.ckpt"), "fs": str(other)}
    for source, target in ("fs", "fs"), ("plain", "fs"):
        crafted_on = ["attack.pgd.early_stop=false"] if source == target else [f"source={paths[source]}"]
        lone = Run(hardlight("evaluate", f"ckpt={paths[target]}", *ATTACKS, *crafted_on))
        expected = lone.samples[lone.samples["attack"] != "none"]
        rows = run.samples[(run.samples["run"] == target) & (run.samples["source"] == source)]
        order = ["attack", "eps", "index"]
        pd.testing.assert_frame_equal(
            rows.sort_values(order)[COLUMNS].reset_index(drop=True),
            expected.sort_values(order)[COLUMNS].reset_index(drop=True),
        )
        robust = [
            each.records[
                (each.records["metric"] == "robust_accuracy")
                & (each.records["source"].isin([source, paths[source], "self"]))
                & (each.records["run"].eq(target) if each is run else True)
            ].set_index(["attack", "eps"])["n_broken"]
            for each in (run, lone)
        ]
        assert robust[0].to_dict() == robust[1].to_dict()


def test_each_set_is_crafted_once_and_found_again(models: str, hardlight: Callable[..., Path]) -> None:
    first = hardlight("transfer", models, *ATTACKS, "evaluation.n=6")
    crafted = first / "crafted"
    files = {file: file.stat().st_mtime_ns for file in crafted.iterdir()}
    assert len(files) == 2 * 2 * 3
    lost = min(file for file in files if file.name.startswith("fs-"))
    lost.unlink()
    renamed = models.replace("plain:", "base:")
    again = hardlight("transfer", renamed, *ATTACKS, "evaluation.n=6", f"crafted={crafted}")
    assert {file for file in crafted.iterdir() if files.get(file) != file.stat().st_mtime_ns} == {lost}
    assert Run(again).samples["margin"].tolist() == Run(first).samples["margin"].tolist()


def test_a_damaged_set_is_told(models: str, hardlight: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    crafted = hardlight("transfer", models, "attack=[fgsm]", "evaluation.n=3") / "crafted"
    (first, *_) = sorted(crafted.iterdir())
    first.write_bytes(b"half")
    capsys.readouterr()
    assert main(["transfer", models, "attack=[fgsm]", "evaluation.n=3", f"crafted={crafted}"]) == 2
    assert f"{first} is damaged" in capsys.readouterr().err


WRONG = {
    "": "transfer needs at least two nets",
    "models=cnn": "transfer needs at least two nets",
    "models={a:PATH}": "transfer needs at least two nets",
    "models={a:PATH,b%c:PATH}": "models: 'b%c' cannot be a name",
    "models={a:PATH,self:PATH}": "models: 'self' cannot be a name",
    "models={a:PATH,b:nowhere.ckpt}": "no checkpoint at nowhere.ckpt",
    "models={a:PATH,b:COLOUR}": "models.b=COLOUR was trained for shape [3, 32, 32], data=npz has [1, 28, 28]",
    "models={a:PATH,b:PATH} data=cifar10_sample": "models.a=PATH was trained for shape [1, 28, 28]",
    "models={a:PATH,b:PATH} attack=[]": "transfer needs an attack",
    "models={a:PATH,b:PATH} attack=[fgms]": "there is no attack 'fgms'; did you mean fgsm?",
    "models={a:PATH,b:PATH} evaluation.n={fgsm:3}": "evaluation.n",
    "models={a:PATH,b:PATH} evaluation.n=0": "evaluation.n must be a whole number of at least 1",
    "models={a:PATH,b:PATH} device=gpu": "device=gpu: torch cannot use it on this machine",
    "models={a:PATH,b:PATH} crafted=/dev/null": "crafted=/dev/null cannot be made",
    "models={a:PATH,b:PATH} model=cnn": "model",
}


@pytest.fixture(scope="module")
def colour(npz: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> str:
    outputs = tmp_path_factory.mktemp("colour")
    words = ["model=cifar_cnn", "attack=[noise]", "trainer.max_epochs=1", "name=a", f"paths.outputs={outputs}"]
    assert main(["train", *npz["colour"], *words]) == 0
    return str(next((outputs / "a").iterdir()) / "best.ckpt")


@pytest.mark.parametrize("words", WRONG)
def test_mistakes(
    words: str, trained: Run, colour: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def given(text: str) -> str:
        return text.replace("PATH", str(trained.folder / "best.ckpt")).replace("COLOUR", colour)

    assert main(["transfer", *given(words).split()]) == 2
    told = capsys.readouterr().err
    assert given(WRONG[words]) in told
    assert told.count("\n") == 1
    assert not (empty_folder / "outputs").exists()
