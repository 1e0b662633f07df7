"""A net of the user's own, from any importable Python."""

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from hardlight import checks
from hardlight.nets.weights import load_weights


def python_net(
    path: str,
    weights: str | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    shape: Sequence[int],
    num_classes: int,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Module:
    """What ``make`` of ``path`` ("package.module:make") returns, with ``weights`` loaded where given.

    ``make`` gets ``kwargs`` and whichever of ``shape``, ``num_classes`` and
    ``activation`` its signature names; an activation other than RELU is refused where it takes none. Every mistake is
    a ValueError of one sentence; what the user's own code raised is its cause.
    """
    checks.text("path", path)
    if weights is not None:
        checks.text("weights", weights)
    checks.shape("shape", shape)
    checks.whole("num_classes", num_classes, low=2)
    make = _find(path)
    given = dict(kwargs or {})
    offered = {"shape": tuple(shape), "num_classes": num_classes, "activation": activation}
    taken = {name: value for name, value in offered.items() if name in _parameters(make)}
    chosen = activation()
    if "activation" not in taken and type(chosen) is not nn.ReLU:
        raise ValueError(
            f"activation {type(chosen).__name__} cannot be used: {path} takes no parameter named activation"
        )
    try:
        net = make(**{**taken, **given})
    except Exception as error:
        raise ValueError(f"{path} raised {type(error).__name__}: {error}") from error
    if not isinstance(net, nn.Module):
        raise ValueError(f"{path} must return a torch.nn.Module, it returned {type(net).__name__}")
    if weights is not None:
        load_weights(net, weights)
    return net


def _find(path: str) -> Callable[..., Any]:
    name, colon, attribute = path.partition(":")
    if not (name and colon and attribute):
        raise ValueError(f"path must be 'package.module:make', got {path!r}")
    module = _import(name, path)
    if not hasattr(module, attribute):
        hint = checks.suggestion(attribute, [public for public in dir(module) if not public.startswith("_")])
        raise ValueError(f"path {path!r} names no attribute of module {name}: it has no {attribute}{hint}")
    make: Callable[..., Any] = getattr(module, attribute)
    if not callable(make):
        raise ValueError(f"path {path!r} must name a callable, {attribute} is of type {type(make).__name__}")
    return make


def _import(name: str, path: str) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise ValueError(f"path {path!r} names no module: there is no {error.name} to import") from error
        raise ValueError(f"importing {name} raised {type(error).__name__}: {error}") from error


def _parameters(make: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(make).parameters)
    except ValueError:  # some builtins have no signature
        return set()
