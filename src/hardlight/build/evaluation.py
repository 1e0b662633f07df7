"""What is attacked how, and what the records call it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor

from hardlight import __version__, checks
from hardlight.attacks import FixedBudget, MinimalNorm
from hardlight.attacks.queries import ModelRefused
from hardlight.build.nodes import checked, is_minimal_norm, made, resolved, sentence
from hardlight.callbacks import AttackEvaluation
from hardlight.errors import UserError
from hardlight.evaluation.planned import Planned
from hardlight.metrics import SampleMetric


def attack_grids(cfg: DictConfig) -> dict[str, tuple[Planned, ...]]:
    """Each attack of the group: at each of its ``eps``, or a minimal-norm one once, reported at each of them."""
    found: dict[str, tuple[Planned, ...]] = {}
    for name, node in (cfg.attack or {}).items():
        if not isinstance(node, DictConfig):
            raise UserError(
                f"attack.{name} must hold an attack's settings, got {node!r}; '~attack.{name}' leaves it out"
            )
        try:
            eps = node.eps
        except OmegaConfBaseException as error:
            raise UserError(f"attack.{name}: no eps for norm {node.get('norm')!r}: {sentence(error)}") from error
        grid = list(eps) if isinstance(eps, ListConfig) else [eps]
        if not grid:
            raise UserError(f"attack.{name}.eps must hold at least one number")
        if len(set(grid)) < len(grid):
            raise UserError(f"attack.{name}.eps must not hold a number twice, got {grid}")
        where, settings = f"attack.{name}", resolved(node, f"attack.{name}")
        if is_minimal_norm(settings):
            settings.pop("eps")
            found[str(name)] = (_planned(made(settings, where), where, grid),)
        else:
            found[str(name)] = tuple(_planned(made({**settings, "eps": value}, where), where) for value in grid)
    return found


def _planned(attack: Any, where: str, eps: Sequence[float] = ()) -> Planned:
    if not isinstance(attack, FixedBudget | MinimalNorm):
        raise UserError(f"{where} must make an attack, got {type(attack).__name__}")
    try:
        return Planned.of(attack, eps)
    except ValueError as error:
        raise UserError(f"{where}.{sentence(error)}") from error


def check_model(attacks: Mapping[str, Sequence[Planned]], model: Callable[[Tensor], Tensor], data: DictConfig) -> None:
    """UserError naming the first attack that has no use for ``model``, asked of one gray image."""
    gray = torch.full((1, *data.shape), 0.5)
    with torch.random.fork_rng(devices=[]):  # a net may draw numbers
        for name, grid in attacks.items():
            try:
                grid[0].attack.check(model, gray)
            except ModelRefused as error:
                raise UserError(f"attack.{name}: {error}") from error


def metrics(cfg: DictConfig, attacks: Mapping[str, Sequence[Planned]]) -> list[SampleMetric]:
    """What is measured beside the accuracies, each of images that there will be."""
    planned = [each.attack for grid in attacks.values() for each in grid]
    kinds = {"clean", *(["attacked"] if planned else [])}
    kinds |= {"minimal"} if any(isinstance(attack, MinimalNorm) for attack in planned) else set()
    found = {name: made(node, f"metric.{name}") for name, node in (cfg.metric or {}).items()}
    for name, metric in found.items():
        if not isinstance(metric, SampleMetric):
            raise UserError(f"metric.{name} must make a SampleMetric, got {type(metric).__name__}")
        if not metric.on & kinds:
            example = "choose its attack, as in 'attack=[minimal_fgsm]'"
            raise UserError(f"metric.{name} would have nothing to measure: {example}")
    return list(found.values())


def attack_evaluation(cfg: DictConfig, attacks: Mapping[str, Sequence[Planned]], **more: Any) -> AttackEvaluation:
    """The callback that attacks the test set and writes to the run's folder."""
    folder = Path(cfg.paths.output)
    return AttackEvaluation(
        attacks,
        run=f"{folder.parent.name}/{folder.name}",
        facts=facts(cfg),
        folder=folder,
        metrics=metrics(cfg, attacks),
        n=evaluation_n(cfg, attacks),
        gallery=cfg.evaluation.gallery,
        **more,
    )


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
