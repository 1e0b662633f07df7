"""Paths as the terminal shows them."""

from pathlib import Path


def shown(path: Path) -> str:
    """As short as it can be pasted: relative where it is below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
