"""A setting of torch's or Lightning's, held against the type that their own signature gives it."""

import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from hydra.utils import get_object

from hardlight import checks
from hardlight.errors import UserError

NUMBERS: dict[Any, Any] = {int: int, float: (int, float)}
WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "text",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    NoneType: "null",
}
THEIRS = ("torch.", "pytorch_lightning.")  # ours check themselves


def check_types(node: Any, where: str) -> None:
    """UserError naming the first setting in ``node``, a plain container, that its constructor has no use for."""
    if not isinstance(node, Mapping):
        return
    parameters, hints = _signature(str(node.get("_target_")))
    for key, value in node.items():
        if isinstance(value, Mapping) and "_target_" in value:
            check_types(value, f"{where}.{key}")
        elif key in hints and not ((value is None and parameters[key].default is None) or _fits_any(value, hints[key])):
            words = dict.fromkeys(filter(None, map(_in_words, _alternatives(hints[key]))))
            raise UserError(f"{where}.{key} must be {' or '.join(words)}, got {value!r}")


def _signature(target: str) -> tuple[Mapping[str, inspect.Parameter], dict[str, Any]]:
    if not target.startswith(THEIRS):
        return {}, {}
    try:
        made = get_object(target)
        hints = typing.get_type_hints(made.__init__ if inspect.isclass(made) else made)
        parameters = inspect.signature(made).parameters
    except Exception:  # no such thing, which is told when it is built; or hints that are not there at run time
        return {}, {}
    return parameters, {key: hint for key, hint in hints.items() if key in parameters}


def _alternatives(hint: Any) -> Iterator[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for each in typing.get_args(hint):
            yield from _alternatives(each)
    else:
        yield hint


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind is typing.Literal:
        return value in inner and not isinstance(value, bool)
    if kind in NUMBERS:
        return not isinstance(value, bool) and isinstance(value, NUMBERS[kind]) and abs(value) <= checks.LARGEST
    if kind in (list, tuple):
        items = (
            inner if kind is tuple and ... not in inner else inner[:1] * len(value if isinstance(value, list) else [])
        )
        return isinstance(value, list) and len(value) == len(items) and all(map(_fits_any, value, items))
    if kind is Path:
        return isinstance(value, str)
    return not inspect.isclass(kind) or isinstance(value, kind)


def _fits_any(value: Any, hint: Any) -> bool:
    return any(_fits(value, each) for each in _alternatives(hint))


def _in_words(hint: Any) -> str | None:
    kind = typing.get_origin(hint) or hint
    if kind is typing.Literal:
        return ", ".join(map(str, typing.get_args(hint)))
    return WORDS.get(kind)
