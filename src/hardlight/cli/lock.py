"""One process at a time in a run's folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hardlight.errors import UserError


class FolderInUse(UserError):
    """Another process is at work in the folder."""


def is_first_process() -> bool:
    """False in the further processes of DDP."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds ``folder`` for the length of the block; the system frees it however the process ends.

    The further processes of DDP work for the one that holds it. Raises ``FolderInUse``.
    """
    if not is_first_process():
        yield
        return
    with (folder / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            busy = f"{folder} is in use by the running process {file.read()}"
            raise FolderInUse(f"{busy}: wait for it, or end it") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
