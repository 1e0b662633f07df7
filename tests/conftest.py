"""What every test of the whole program needs: small data, a folder to run in, and the program itself."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hardlight.cli import main


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which a run would make outputs/."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def hardlight(empty_folder: Path) -> Callable[..., Path]:
    """Runs the program in this process and in ``empty_folder``: ``hardlight("train", …)`` is the new run's folder."""
    seen: set[Path] = set()

    def run(*argv: str) -> Path:
        assert main(list(argv)) == 0
        (folder,) = {file.parent for file in empty_folder.rglob("records.csv")} - seen
        seen.add(folder)
        return folder

    return run


@pytest.fixture(scope="session")
def npz(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Overrides for gray and colour data of four classes that differ in brightness: 40 to train, 13 to test."""
    folder = tmp_path_factory.mktemp("npz")
    return {
        "gray": write_npz(folder / "gray", (28, 28)),
        "colour": write_npz(folder / "colour", (32, 32, 3)),
    }


def write_npz(folder: Path, shape: tuple[int, ...]) -> list[str]:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 40), ("test", 13)):
        labels = np.arange(n) % 4
        images = labels.reshape(-1, *[1] * len(shape)) * 40 + rng.integers(0, 100, (n, *shape))
        np.savez(folder / f"{part}.npz", images=images.astype(np.uint8), labels=labels)
    return ["data=npz", f"data.source.train={folder / 'train.npz'}", f"data.source.test={folder / 'test.npz'}"]
