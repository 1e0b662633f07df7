"""A node of the configuration, and the object it describes."""

import re
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hardlight.attacks import Attack, MinimalNorm
from hardlight.build.hints import check_types
from hardlight.errors import UserError


def made(node: Any, where: str, **more: Any) -> Any:
    """The object that ``node`` describes; what its constructor refuses becomes a sentence beginning with ``where``."""
    plain = _with_eps_inside(resolved(node, where))
    check_types(plain, where)
    try:
        return instantiate(plain, _convert_="all", **more)
    except InstantiationException as error:
        raise UserError(_refused(error, where)) from error
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {sentence(error)}") from error


def _refused(error: InstantiationException, where: str) -> str:
    inside = re.search(r"full_key: (\S+)", str(error))
    if inside:
        where = f"{where}.{inside.group(1)}"
    reason = error.__cause__ or error
    if isinstance(reason, ImportError):
        return f"{where}._target_: {sentence(reason.__cause__ or reason)}"
    unknown = re.search(r"got an unexpected keyword argument '(\w+)'", str(reason))
    return f"{where} has no setting {unknown.group(1)}" if unknown else f"{where}: {sentence(reason)}"


def is_minimal_norm(node: Any) -> bool:
    """Whether ``node`` describes an attack without a budget."""
    return _describes(node, MinimalNorm)


def _describes(node: Any, kind: type) -> bool:
    try:
        return issubclass(get_class(str(node["_target_"])), kind)
    except Exception:  # what there is no such class of is told when it is made
        return False


def _with_eps_inside(node: Any, eps: Any = None) -> Any:
    """A plain container in which the attacks inside an attack have its eps, and a minimal-norm one has none."""
    if not isinstance(node, Mapping):
        return node
    node, is_attack = dict(node), _describes(node, Attack)
    if is_attack and eps is not None and "eps" in node:
        node["eps"] = eps
        if is_minimal_norm(node):
            del node["eps"]
    inside = node.get("eps", eps) if is_attack or "_target_" not in node else None
    return {key: _with_eps_inside(value, inside) for key, value in node.items()}


def resolved(node: Any, where: str) -> Any:
    """A plain container, its interpolations replaced by what they stand for."""
    try:
        return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {sentence(error)}") from error


def sentence(error: BaseException) -> str:
    """The first line of what an error says."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def checked(field: str, check: Any, value: Any, **how: Any) -> None:
    """``check`` of ``hardlight.checks`` on a value that no constructor sees."""
    try:
        check(field, value, **how)
    except ValueError as error:
        raise UserError(str(error)) from error
