"""Checks of a setting's type and range: a ``ValueError`` naming the field, the value and what would be right."""

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any

LARGEST = 1e15  # a square of it, summed over any image, still is a 32-bit float
LARGEST_WHOLE = 2**63 - 1  # of a 64-bit integer


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice spelled most like ``name``, or None if none is close."""
    close = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.5)
    return close[0] if close else None


def suggestion(name: str, choices: Iterable[str]) -> str:
    """The end of a sentence that asks whether the nearest choice was meant; empty if none is close."""
    close = nearest(name, choices)
    return f"; did you mean {close}?" if close else ""


def number(field: str, value: Any, *, low: float = -math.inf, high: float = math.inf, strict_low: bool = False) -> None:
    """A number in [low, high], or in (low, high] if ``strict_low``; no infinite one, nor one near it."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not low <= value <= high or (strict_low and value == low):
        raise ValueError(f"{field} must be a number{_range(low, high, strict_low)}, got {value!r}")
    if abs(value) > LARGEST:
        raise ValueError(f"{field} must be a number of at most {LARGEST:g}, got {value!r}")


def positive(field: str, value: Any) -> None:
    """A number greater than 0."""
    number(field, value, low=0, strict_low=True)


def non_negative(field: str, value: Any) -> None:
    """A number of at least 0."""
    number(field, value, low=0)


def fraction(field: str, value: Any) -> None:
    """A number in [0, 1]."""
    number(field, value, low=0, high=1)


def whole(field: str, value: Any, *, low: int = 0, high: int = LARGEST_WHOLE) -> None:
    """A whole number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        known = high < LARGEST_WHOLE or (isinstance(value, int) and value > high)
        span = f"from {low} to {high}" if known else f"of at least {low}"
        raise ValueError(f"{field} must be a whole number {span}, got {value!r}")


def flag(field: str, value: Any) -> None:
    """True or false, not a number that stands for it."""
    if not isinstance(value, bool):
        raise ValueError(f"{field} must be true or false, got {value!r}")


def text(field: str, value: Any) -> None:
    """Text that is not empty; what looks like a number or a list arrives as one."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} must be text, got {value!r}")


def shape(field: str, value: Any) -> None:
    """An image's (channels, height, width)."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 3:
        raise ValueError(f"{field} must be (channels, height, width), got {value!r}")
    for size in value:
        whole(field, size, low=1)


def one_of(field: str, value: Any, choices: Iterable[str]) -> None:
    """One of the names in ``choices``; the error tells the nearest."""
    choices = list(choices)
    if value not in choices:
        hint = suggestion(str(value), choices)
        raise ValueError(f"{field} must be one of {', '.join(choices)}, got {value!r}{hint}")


def _range(low: float, high: float, strict_low: bool) -> str:
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return f" greater than {low:g}" if strict_low else f" of at least {low:g}"
    if low == -math.inf:
        return f" of at most {high:g}"
    return f" from {low:g} to {high:g}" + (f", {low:g} excluded" if strict_low else "")
