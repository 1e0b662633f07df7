"""Backward passes for layers that hide their gradient: a layer offers some, an attack asks for one while it runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

BACKWARDS = ("adaptive", "exact", "straight_through", "soft", "leaky")


@dataclass
class _Wish:
    backward: str
    heard: bool = False


_wish: ContextVar[_Wish | None] = ContextVar("backward", default=None)


@contextmanager
def asked_for(backward: str | None) -> Iterator[None]:
    """Every layer that offers ``backward`` uses it in here; None leaves each layer to its own setting.

    ``adaptive`` asks each layer for the first that it offers, which is its most helpful to an attacker.
    """
    token = _wish.set(None if backward is None else _Wish(backward))
    try:
        yield
    finally:
        _wish.reset(token)


def heard() -> bool:
    """Whether any layer has answered to what is asked for in here."""
    wish = _wish.get()
    return wish is None or wish.heard


def in_use(own: str, offered: Sequence[str]) -> str:
    """Which of the ``offered`` backward passes a layer uses now: its ``own`` unless another is asked for."""
    wish = _wish.get()
    if wish is None:
        return own
    if wish.backward == "adaptive":
        wish.heard = True
        return offered[0]
    if wish.backward in offered:
        wish.heard = True
        return wish.backward
    return own
