"""Words without a name reach the verb as they were typed, whatever Hydra's grammar would make of them."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from hardlight import config
from hardlight.cli import main
from hardlight.cli.arguments import Arguments

ODD = [
    "outputs/train/2026-11-21_11-20-12",
    "a b",
    "it's",
    'say "no"',
    "a,b",
    "[a]",
    "{a: b}",
    "(a)",
    "a:b@c#d",
    "${x}",
    "\\${x}",
    "back\\slash\\",
    "quote\\'d",
    "null",
    "3",
    "ünï",
    "$HOME",
    "*?",
]


def runs(*words: str) -> list[str]:
    config.register()
    with initialize_config_dir(str(config.conf_folder()), version_base="1.3"):
        cfg = compose("compare", [*Arguments.parse(["compare", *words]).overrides, "paths.output=here", "name=a"])
        return list(cfg.runs)


@pytest.mark.parametrize("word", ODD)
def test_odd_words(word: str) -> None:
    assert runs(word, "other") == [word, "other"]


def test_a_folder_that_looks_like_a_setting(empty_folder: Path) -> None:
    (empty_folder / "seed=1").mkdir()
    assert runs("seed=1", "name=mine") == ["seed=1"]


def test_settings_stay_settings() -> None:
    arguments = Arguments.parse(["compare", "a", "name=mine", "b", "--cfg", "job"])
    assert arguments.overrides == ["runs=['a','b']", "name=mine"]
    assert Arguments.parse(["train", "seed=1"]).overrides == ["seed=1"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "compare takes the folders of two runs"),
        ("a", "compare takes the folders of two runs, as in hardlight compare RUN RUN; got 1"),
        ("a b c", "got 3"),
        ("a b", "there is no folder a"),
        ("a b runs=[c]", "runs=[c] and a both say what runs is"),
        ("a nme=b", "there is no setting nme; did you mean name?"),
        ("a b seed=1", "there is no setting seed"),
        ("a ~b", "'b' does not exist"),
    ],
)
def test_mistakes(words: str, sentence: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *words.split()]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert list(empty_folder.iterdir()) == []
