"""FMN, the fast minimum-norm attack (Pintor, Roli, Brendel, Biggio, NeurIPS 2021)."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.goal import Goal, margin
from hardlight.attacks.nearest import Nearest
from hardlight.attacks.queries import Queries
from hardlight.tensors import DUAL, clamp, confine, norms, unit


@dataclass(frozen=True, kw_only=True)
class FMN(MinimalNorm):
    """``steps`` steps along the gradient, each projected onto a ball of a radius that follows the boundary.

    Until the model is fooled the radius is the distance to the boundary of the linearised model; from then on it is
    multiplied by 1 − ``gamma`` where the model is fooled and by 1 + gamma where not. In l0 it counts pixels, changes by
    one at least, and grows by half until the model is fooled. The steps' length in l2 falls from ``step_size`` to a
    hundredth of it on a cosine, gamma to a fiftieth. A forward and a backward pass a step, and a last forward pass.

    Unlike the paper: the gradient is that of the cross-entropy, not of the ``margin`` between two classes, which leads
    to nearer images. The projection in l1 is onto the ball and the box at once, in l2 a step is clipped before it: the
    box taking from a perturbation afterwards, the search would creep up to the boundary and not cross it. For the same
    reason the linearised model's distance is stretched by 1 + gamma. In l0 the paper grows by gamma from the start,
    which takes too long where many pixels must change.
    """

    norm: str = "linf"
    steps: int = 100
    step_size: float = 1.0
    gamma: float = 0.05
    loss: str = "cross_entropy"

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1", "l0")

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        checks.positive("step_size", self.step_size)
        checks.fraction("gamma", self.gamma)
        checks.one_of("loss", self.loss, ("cross_entropy", "margin"))

    @property
    def passes(self) -> int:
        return 1 + self.steps

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        x_adv = x.clone()
        goal = replace(goal, loss=self.loss)
        gradient, logits = queries.gradient(x, goal)
        rows = (~goal.cleared(logits)).nonzero().squeeze(1)
        if len(rows):
            x_adv[rows] = self._search(queries.part(rows), x[rows], goal[rows], gradient[rows], logits[rows])
        return x_adv

    def _search(self, queries: Queries, x: Tensor, goal: Goal, gradient: Tensor, logits: Tensor) -> Tensor:
        """From ``x``, where the gradient and the logits are those given."""
        nearest, x_adv = Nearest(x, self.norm), x
        farthest = norms(torch.maximum(x, 1 - x), self.norm)
        radius = torch.zeros_like(farthest)
        for step in range(self.steps):
            annealed = (1 + math.cos(math.pi * step / self.steps)) / 2
            if step:
                gradient, logits = queries.gradient(x_adv, goal)
            cleared = goal.cleared(logits)
            length = nearest.offer(x_adv, cleared)
            gamma = self.gamma * (0.02 + 0.98 * annealed)
            if self.norm == "l0":
                less = torch.minimum(radius - 1, (radius * (1 - gamma)).floor())
                growth = torch.where(nearest.found, 1 + gamma, 1.5)
                more = torch.maximum(radius + 1, (radius * growth).floor())
            else:
                steepness = norms(gradient, DUAL[self.norm]).clamp_min(torch.finfo(x.dtype).tiny)
                boundary = length + margin(logits, goal.y).abs().to(x.dtype) / steepness
                less = radius * (1 - gamma)
                more = torch.where(nearest.found, radius, boundary) * (1 + gamma)
            radius = torch.where(cleared, torch.minimum(less, nearest.length), torch.minimum(more, farthest))
            size = self.step_size * (0.01 + 0.99 * annealed)
            moved = x_adv + size * unit(gradient, "l2")
            x_adv = confine(clamp(moved) if self.norm == "l2" else moved, x, self.norm, radius)
        nearest.offer(x_adv, goal.cleared(queries.logits(x_adv)))
        return nearest.x_adv
