"""Being told to stop, by Ctrl-C (SIGINT) or by SIGTERM."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The program was told to stop by ``signum``; ``told`` is what its user should know, how to go on above all."""

    def __init__(self, signum: int, told: str = "interrupted") -> None:
        super().__init__(told)
        self.signum = signum


def handlers() -> dict[int, Any]:
    """What the process does at each of the signals."""
    return {signum: signal.getsignal(signum) for signum in SIGNALS}


def handle(by: Mapping[int, Any]) -> None:
    """Does ``by`` from now on; Python allows it in the main thread alone, elsewhere nothing changes."""
    if threading.current_thread() is threading.main_thread():
        for signum, handler in by.items():
            signal.signal(signum, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """The first signal raises ``Interrupted`` wherever the program is, a second one ends the process at once."""
    before = handlers()
    handle(dict.fromkeys(SIGNALS, _stop))
    try:
        yield
    finally:
        handle(before)


def _stop(signum: int, frame: Any) -> None:
    handle(dict.fromkeys(SIGNALS, _end))
    raise Interrupted(signum)


def _end(signum: int, frame: Any) -> None:
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
