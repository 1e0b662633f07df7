"""Steepest ascent within a budget: what the iterative attacks share."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.early_stop import EarlyStop
from hardlight.attacks.goal import LOSSES, Goal
from hardlight.attacks.queries import Queries
from hardlight.tensors import confine, steepest


@dataclass(frozen=True, kw_only=True)
class Ascent(EarlyStop):
    """``steps`` steps of steepest ascent, each projected onto the ball of radius ``eps`` and the box.

    The result is the iterate of highest loss, one that fools the model before any that does not, the clean image never
    among them. ``early_stop`` lets a sample go as soon as it fools the model, be it unchanged: right for white-box
    robust accuracy alone.
    """

    steps: int
    step_size: float | None = None
    loss: str

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        if self.step_size is not None:
            checks.positive("step_size", self.step_size)
        checks.one_of("loss", self.loss, LOSSES)

    @property
    def passes(self) -> int:
        return 1 + self.steps

    def direction(self, gradient: Tensor, before: Tensor) -> Tensor:
        """What the step climbs, of this iterate's gradient and what the step before climbed (zero at the start)."""
        return gradient

    def ascend(self, queries: Queries, x: Tensor, goal: Goal, start: Tensor, size: float) -> Tensor:
        """The best of the ascent from ``start``, like x."""
        goal = replace(goal, loss=self.loss)
        best, best_loss = x.clone(), torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
        fooled = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        active, origin, aim, x_adv = torch.arange(len(x), device=x.device), x, goal, start
        climbed = torch.zeros_like(x)
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
            climbed = self.direction(gradient, climbed)
            if self.early_stop and bool(reached.any()):
                left = ~reached
                active, origin, aim = active[left], origin[left], aim[left]
                x_adv, climbed = x_adv[left], climbed[left]
            x_adv = confine(x_adv + steepest(climbed, self.norm, size, x_adv), origin, self.norm, self.eps)
        return best
