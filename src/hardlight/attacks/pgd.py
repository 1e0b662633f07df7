"""Projected gradient descent (Madry et al., ICLR 2018)."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import FixedBudget
from hardlight.attacks.goal import LOSSES, Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal, uniform
from hardlight.tensors import clamp, per_sample, project, steepest, unit


@dataclass(frozen=True, kw_only=True)
class PGD(FixedBudget):
    """``steps`` steps of steepest ascent, each projected onto the ball of radius ``eps`` and the box.

    ``step_size`` is 2.5·eps/steps unless given. ``random_start`` draws the first point uniformly from the ball (every
    restart after the first does). The result is the iterate of highest loss, one that fools the model before any that
    does not, the clean image never among them. ``early_stop`` lets a sample go as soon as it fools the model, be it
    unchanged: right for white-box robust accuracy alone.
    """

    steps: int = 40
    step_size: float | None = None
    restarts: int = 1
    random_start: bool = True
    loss: str = "margin"
    early_stop: bool = False

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        if self.step_size is not None:
            checks.positive("step_size", self.step_size)
        checks.whole("restarts", self.restarts, low=1)
        checks.flag("random_start", self.random_start)
        checks.one_of("loss", self.loss, LOSSES)
        checks.flag("early_stop", self.early_stop)

    def exhaustive(self) -> Self:
        return replace(self, early_stop=False)

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        goal = replace(goal, loss=self.loss)
        size = 2.5 * self.eps / self.steps if self.step_size is None else self.step_size
        best, best_loss = x.clone(), torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
        fooled = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        rows = torch.arange(len(x), device=x.device)
        for restart in range(self.restarts):
            if self.early_stop:
                rows = (~fooled).nonzero().squeeze(1)
            if not len(rows):
                break
            x_adv = self._start(x[rows], index[rows], restart)
            active, origin, aim = rows, x[rows], goal[rows]
            for step in range(self.steps + 1):
                if not len(active):
                    break
                if step < self.steps:
                    gradient, logits = queries.gradient(x_adv, aim, active)
                else:
                    gradient, logits = None, queries.logits(x_adv, active)
                loss, reached = aim.value(logits).to(x.dtype), aim.reached(logits)
                better = (reached & ~fooled[active]) | ((reached == fooled[active]) & (loss > best_loss[active]))
                if not self.early_stop:
                    better &= (x_adv != origin).flatten(1).any(1)
                won = active[better]
                best[won], best_loss[won], fooled[won] = x_adv[better], loss[better], reached[better]
                if gradient is None:
                    break
                if self.early_stop and bool(reached.any()):
                    left = ~reached
                    active, origin, aim = active[left], origin[left], aim[left]
                    x_adv, gradient = x_adv[left], gradient[left]
                x_adv = x_adv + steepest(gradient, self.norm, size, x_adv)
                x_adv = clamp(origin + project(x_adv - origin, self.norm, self.eps))
        return best

    def _start(self, x: Tensor, index: Tensor, restart: int) -> Tensor:
        if restart == 0 and not self.random_start:
            return x
        if self.norm == "linf":
            delta = (2 * uniform(index, x, seed=self.seed, stream="pgd", draw=2 * restart) - 1) * self.eps
        else:
            direction = unit(normal(index, x, seed=self.seed, stream="pgd", draw=2 * restart), "l2")
            single = x.flatten(1)[:, :1]
            radius = uniform(index, single, seed=self.seed, stream="pgd", draw=2 * restart + 1) ** (
                1 / x.shape[1:].numel()
            )
            delta = direction * (self.eps * per_sample(radius, x))
        return clamp(x + delta)
