"""What the program says of itself, and how little it imports for that."""

import subprocess
import sys
from pathlib import Path

import pytest

from hardlight import __version__
from hardlight.cli import main
from hardlight.cli.texts import VERBS
from hardlight.config import conf_folder

HEAVY = ("torch", "pytorch_lightning", "pandas", "wandb", "matplotlib")


GROUPS = {
    "train": ("data", "model", "attack"),
    "evaluate": ("data", "model", "attack"),
    "compare": (),
    "transfer": ("data", "attack"),
}
SETTING = {"train": "gallery: 6", "evaluate": "ckpt: null", "compare": "runs: []", "transfer": "models: null"}


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_program_help_names_every_verb(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)


def test_every_verb_has_a_configuration() -> None:
    assert all((conf_folder() / f"{verb}.yaml").is_file() for verb in VERBS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hardlight {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_verb_help_names_its_groups_options_and_settings(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    for group in GROUPS[verb]:
        for option in (conf_folder() / group).glob("*.yaml"):
            assert option.stem in out
    assert SETTING[verb] in out
    assert ("Groups" in out) == bool(GROUPS[verb])
    assert "_schema" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_verb_help_names_the_users_own_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "attack").mkdir()
    (tmp_path / "attack" / "mine.yaml").write_text("eps: 1\n")
    assert main(["train", "--help", "--config-dir", str(tmp_path)]) == 0
    assert " mine " in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["--help"], ["train", "--help"], ["-sc", "query=bash"], ["train", "--cfg", "job"]])
def test_nothing_heavy_is_imported(argv: list[str]) -> None:
    code = f"import sys; from hardlight.cli import main; main({argv}); print([m for m in {HEAVY} if m in sys.modules])"
    environment = {"COMP_LINE": "hardlight train model=c"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
