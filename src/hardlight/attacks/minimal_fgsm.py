"""The FGSM of the smallest eps that fools the model (Zantedeschi, Nicolae, Rawat, AISec 2017, section 4)."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.tensors import clamp, steepest

GRID = {"linf": (1 / 255, 1.0), "l2": (0.05, 10.0), "l1": (0.5, 100.0)}
"""The eps_step and eps_max of each norm: in linf one grey level, and the whole box."""

MOST = 100_000  # steps, each a forward pass


@dataclass(frozen=True, kw_only=True)
class MinimalFGSM(MinimalNorm):
    """For every sample the FGSM of the first eps of ``eps_step``, 2·eps_step, … up to ``eps_max`` that fools the model.

    All of a sample's steps start at the clean image and use its one gradient. What is off its label already is
    returned unchanged. Where None, ``eps_step`` and ``eps_max`` are those of ``GRID``.
    """

    norm: str = "linf"
    eps_step: float | None = None
    eps_max: float | None = None

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")

    def __post_init__(self) -> None:
        super().__post_init__()
        eps_step, eps_max = self._span
        checks.positive("eps_step", eps_step)
        checks.positive("eps_max", eps_max)
        if not eps_max / MOST <= eps_step <= eps_max:
            raise ValueError(f"eps_step must be from eps_max/{MOST} to eps_max, which is {eps_max!r}, got {eps_step!r}")

    @property
    def _span(self) -> tuple[float, float]:
        step, highest = GRID[self.norm]
        return step if self.eps_step is None else self.eps_step, highest if self.eps_max is None else self.eps_max

    @property
    def grid(self) -> list[float]:
        """Every eps that is tried, in order."""
        eps_step, eps_max = self._span
        n = math.ceil(eps_max / eps_step * (1 - 1e-12))  # a rounding error is no further step
        return [k * eps_step for k in range(1, n)] + [eps_max]

    @property
    def passes(self) -> int:
        return 1 + len(self.grid) // 4  # most samples leave early

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        gradient, logits = queries.gradient(x, goal)
        x_adv = x.clone()
        rows = (~goal.reached(logits)).nonzero().squeeze(1)
        for eps in self.grid:
            if not len(rows):
                break
            origin = x[rows]
            tried = clamp(origin + steepest(gradient[rows], self.norm, eps, origin))
            fooled = goal[rows].reached(queries.logits(tried, rows))
            x_adv[rows[fooled]] = tried[fooled]
            rows = rows[~fooled]
        return x_adv
