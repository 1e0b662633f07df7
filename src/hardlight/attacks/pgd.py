"""Projected gradient descent (Madry et al., ICLR 2018)."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor

from hardlight import checks
from hardlight.attacks.ascent import Ascent
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal, uniform
from hardlight.tensors import clamp, per_sample, unit


@dataclass(frozen=True, kw_only=True)
class PGD(Ascent):
    """Projected steepest ascent.

    ``step_size`` is 2.5·eps/steps unless given. ``random_start`` draws the first point uniformly from the ball (every
    restart after the first does).
    """

    steps: int = 40
    random_start: bool = True
    loss: str = "margin"

    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.flag("random_start", self.random_start)

    def again(self, restart: int) -> Self:
        return replace(super().again(restart), random_start=self.random_start or restart > 0)

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        size = 2.5 * self.eps / self.steps if self.step_size is None else self.step_size
        return self.ascend(queries, x, goal, self._start(x, index) if self.random_start else x, size)

    def _start(self, x: Tensor, index: Tensor) -> Tensor:
        if self.norm == "linf":
            delta = (2 * uniform(index, x, seed=self.seed, stream="pgd") - 1) * self.eps
        else:
            direction = unit(normal(index, x, seed=self.seed, stream="pgd"), "l2")
            single = x.flatten(1)[:, :1]
            radius = uniform(index, single, seed=self.seed, stream="pgd", draw=1) ** (1 / x.shape[1:].numel())
            delta = direction * (self.eps * per_sample(radius, x))
        return clamp(x + delta)
