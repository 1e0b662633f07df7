"""What is attacked how, and what the records call it."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from hardlight import __version__, checks
from hardlight.attacks import FixedBudget
from hardlight.build.nodes import checked, made, resolved, sentence
from hardlight.errors import UserError


def attack_grids(cfg: DictConfig) -> dict[str, tuple[FixedBudget, ...]]:
    """Each attack of the group, at each of its ``eps``."""
    found = {}
    for name, node in (cfg.attack or {}).items():
        try:
            eps = node.eps
        except OmegaConfBaseException as error:
            raise UserError(f"attack.{name}: no eps for norm {node.get('norm')!r}: {sentence(error)}") from error
        grid = list(eps) if isinstance(eps, ListConfig) else [eps]
        if not grid:
            raise UserError(f"attack.{name}.eps must hold at least one number")
        if len(set(grid)) < len(grid):
            raise UserError(f"attack.{name}.eps must not hold a number twice, got {grid}")
        settings = resolved(node, f"attack.{name}")
        found[str(name)] = tuple(made({**settings, "eps": value}, f"attack.{name}") for value in grid)
    return found


def evaluation_n(cfg: DictConfig, names: Mapping[str, Any]) -> int | dict[str, int] | None:
    """``evaluation.n``: how many test images, in all or for each attack."""
    n = cfg.evaluation.n
    if isinstance(n, DictConfig):
        for name, value in n.items():
            checked("evaluation.n", checks.one_of, str(name), choices=list(names))
            checked(f"evaluation.n.{name!s}", checks.whole, value, low=1)
        return {str(name): value for name, value in n.items()}
    if n is None:
        return None
    checked("evaluation.n", checks.whole, n, low=1)
    return int(n)


def facts(cfg: DictConfig) -> dict[str, Any]:
    """The columns of the records that name a run."""
    return {
        "data": cfg.data.name,
        "model": cfg.choices.model,
        "activation": cfg.choices.activation,
        "defense": "+".join(map(str, cfg.defense or {})) or "none",
        "seed": cfg.choices.seed,
        "form": "sound",
        "version": __version__,
    }
