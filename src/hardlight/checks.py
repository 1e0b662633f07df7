"""Checks of a setting's type and range: a ``ValueError`` naming the field, the value and what would be right."""

import difflib
import math
from collections.abc import Iterable
from typing import Any


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice spelled most like ``name``, or None if none is close."""
    close = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.5)
    return close[0] if close else None


def number(field: str, value: Any, *, low: float = -math.inf, high: float = math.inf, strict_low: bool = False) -> None:
    """A finite number in [low, high], or in (low, high] if ``strict_low``."""
    finite = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not finite or not low <= value <= high or (strict_low and value == low):
        raise ValueError(f"{field} must be a number{_range(low, high, strict_low)}, got {value!r}")


def positive(field: str, value: Any) -> None:
    """A number greater than 0."""
    number(field, value, low=0, strict_low=True)


def non_negative(field: str, value: Any) -> None:
    """A number of at least 0."""
    number(field, value, low=0)


def fraction(field: str, value: Any) -> None:
    """A number in [0, 1]."""
    number(field, value, low=0, high=1)


def whole(field: str, value: Any, *, low: int = 0, high: float = math.inf) -> None:
    """A whole number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        span = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
        raise ValueError(f"{field} must be a whole number {span}, got {value!r}")


def flag(field: str, value: Any) -> None:
    """True or false, not a number that stands for it."""
    if not isinstance(value, bool):
        raise ValueError(f"{field} must be true or false, got {value!r}")


def one_of(field: str, value: Any, choices: Iterable[str]) -> None:
    """One of the names in ``choices``; the error tells the nearest."""
    choices = list(choices)
    if value not in choices:
        close = nearest(str(value), choices)
        hint = f"; did you mean {close}?" if close else ""
        raise ValueError(f"{field} must be one of {', '.join(choices)}, got {value!r}{hint}")


def _range(low: float, high: float, strict_low: bool) -> str:
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return f" greater than {low:g}" if strict_low else f" of at least {low:g}"
    if low == -math.inf:
        return f" of at most {high:g}"
    return f" from {low:g} to {high:g}" + (f", {low:g} excluded" if strict_low else "")
