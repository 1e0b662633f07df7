import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hardlight.build.provenance import commit, hardware, versions


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", folder, *name, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in ("src", "conf"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("one")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_commit_is_gits_own(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD").strip()
    (checkout / "outputs").mkdir()
    (checkout / "outputs" / "new").write_text("no code")
    assert commit(checkout) == head


@pytest.mark.parametrize("path", ["src/file", "conf/file", "src/new"])
def test_changed_code_is_told(checkout: Path, path: str) -> None:
    head = git(checkout, "rev-parse", "HEAD").strip()
    (checkout / path).write_text("two")
    assert commit(checkout) == f"{head}, with uncommitted changes"


def test_no_commit_is_no_error(checkout: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = checkout / "venv" / "lib"  # a folder of someone else's repository is no checkout of ours
    inside.mkdir(parents=True)
    assert commit(inside) is None
    assert commit(tmp_path_factory.mktemp("installed")) is None
    (inside / ".git").write_text("broken")
    assert commit(inside) is None
    monkeypatch.setenv("PATH", "")
    assert commit(checkout) is None


def test_versions_are_those_that_run() -> None:
    found = versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"] == np.__version__
    assert found["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert {"hardlight", "pytorch-lightning", "torchmetrics", "torchvision"} <= set(found)
    assert "pytest" not in found


def test_the_machine() -> None:
    found = hardware(torch.device("cpu"), 2)
    assert (found["threads"], found["processes"], found["gpu"]) == (torch.get_num_threads(), 2, None)
    assert found["cpu"]
