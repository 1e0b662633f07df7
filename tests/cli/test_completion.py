"""Completion: the verb by us, its words by Hydra with that verb's configuration."""

import pytest

from hardlight.cli import main
from hardlight.cli.texts import VERBS


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at: str = "") -> set[str]:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", at)
    assert main(["-sc", "query=bash"]) == 0
    return set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hardlight ", set(VERBS)),
        ("hardlight tra", {"train", "transfer"}),
        ("hardlight train model=c", {"model=cnn", "model=cifar_cnn"}),
        ("hardlight evaluate ck", {"ckpt="}),
        ("hardlight train seed=1 optimizer.l", {"optimizer.lr="}),
        ("hardlight train model=cnn optimizer.weight_", {"optimizer.weight_decay="}),
        ("hardlight compare n", {"name="}),
        ("hardlight nonsense mod", set()),
    ],
)
def test_words(line: str, words: set[str], monkeypatch, capsys) -> None:
    assert completed(line, monkeypatch, capsys) == words


def test_a_verb_alone_offers_its_groups_and_settings(monkeypatch, capsys) -> None:
    assert {"data=", "model=", "seed=", "chunk="} <= completed("hardlight train ", monkeypatch, capsys)


def test_only_what_stands_before_the_cursor_counts(monkeypatch, capsys) -> None:
    assert completed("hardlight train seed=1", monkeypatch, capsys, at=str(len("hardlight trai"))) == {"train"}


def test_install_prints_a_script_that_completes_hardlight(capsys) -> None:
    assert main(["-sc", "install=bash"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("hydra_bash_completion hardlight")
