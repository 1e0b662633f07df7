"""Projected gradient descent (Madry et al., ICLR 2018)."""

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from hardlight import checks
from hardlight.attacks.ascent import Ascent
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal, uniform
from hardlight.tensors import clamp, per_sample, unit


@dataclass(frozen=True, kw_only=True)
class PGD(Ascent):
    """Projected steepest ascent, the best of ``restarts`` times ``steps`` steps.

    ``step_size`` is 2.5·eps/steps unless given. ``random_start`` draws the first point uniformly from the ball (every
    restart after the first does).
    """

    steps: int = 40
    restarts: int = 1
    random_start: bool = True
    loss: str = "margin"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("restarts", self.restarts, low=1)
        checks.flag("random_start", self.random_start)

    @property
    def passes(self) -> int:
        return 1 + self.steps * self.restarts

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        size = 2.5 * self.eps / self.steps if self.step_size is None else self.step_size
        starts = [partial(self._start, x, index, restart) for restart in range(self.restarts)]
        return self.ascend(queries, x, goal, starts, size)

    def _start(self, x: Tensor, index: Tensor, restart: int, rows: Tensor) -> Tensor:
        x, index = x[rows], index[rows]
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
