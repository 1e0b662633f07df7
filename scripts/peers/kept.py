"""Rows that are written as they come, so that an interrupted run goes on where it was."""

import json
from pathlib import Path
from typing import Any


class Kept:
    """What was found for each name, in a file of JSON lines that begins with the ``facts`` it holds for.

    A file of other facts is begun anew. Without a ``path`` nothing is kept.
    """

    def __init__(self, path: Path | None, facts: dict[str, Any]) -> None:
        self.path = path
        self.found: dict[str, Any] = {}
        if path is None:
            return
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        if lines and lines[0] == facts:
            self.found = dict(lines[1:])
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(facts) + "\n")

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def __getitem__(self, name: str) -> Any:
        return self.found[name]

    def keep(self, name: str, found: Any) -> None:
        self.found[name] = found
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps([name, found]) + "\n")

    def close(self) -> None:
        """All is done, and written elsewhere."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
