"""DDN, decoupled direction and norm (Rony, Hafemann, Oliveira, Ben Ayed, Sabourin, Granger, CVPR 2019)."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.goal import Goal
from hardlight.attacks.nearest import Nearest
from hardlight.attacks.queries import Queries
from hardlight.tensors import clamp, norms, per_sample, unit


@dataclass(frozen=True, kw_only=True)
class DDN(MinimalNorm):
    """``steps`` steps along the cross-entropy's gradient, each put onto a sphere around the image.

    The sphere's radius begins at ``init_norm`` and is multiplied by 1 − ``gamma`` where the model is fooled and by
    1 + gamma where not. The steps' length falls from 1 to 0.01 on a cosine. ``levels`` rounds every iterate to that
    many grey levels (256: what an image file of 8 bits holds), as the paper does; None does not. A forward and a
    backward pass a step, and a last forward pass.

    Unlike the paper, where the gradient vanishes no random direction is taken.
    """

    steps: int = 100
    init_norm: float = 1.0
    gamma: float = 0.05
    levels: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        checks.positive("init_norm", self.init_norm)
        checks.fraction("gamma", self.gamma)
        if self.levels is not None:
            checks.whole("levels", self.levels, low=2, high=2**16)

    @property
    def passes(self) -> int:
        return 1 + self.steps

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        x_adv = x.clone()
        goal = replace(goal, loss="cross_entropy")
        gradient, logits = queries.gradient(x, goal)
        rows = (~goal.cleared(logits)).nonzero().squeeze(1)
        if len(rows):
            x_adv[rows] = self._search(queries.part(rows), x[rows], goal[rows], gradient[rows], logits[rows])
        return x_adv

    def _search(self, queries: Queries, x: Tensor, goal: Goal, gradient: Tensor, logits: Tensor) -> Tensor:
        """From ``x``, where the gradient and the logits are those given."""
        nearest, x_adv = Nearest(x, self.norm), x
        farthest = norms(torch.maximum(x, 1 - x), self.norm)
        radius = torch.full_like(farthest, self.init_norm)
        for step in range(self.steps):
            if step:
                gradient, logits = queries.gradient(x_adv, goal)
            cleared = goal.cleared(logits)
            nearest.offer(x_adv, cleared)
            radius = torch.minimum(radius * torch.where(cleared, 1 - self.gamma, 1 + self.gamma), farthest)
            size = 0.01 + 0.99 * (1 + math.cos(math.pi * step / self.steps)) / 2
            delta = x_adv - x + size * unit(gradient, "l2")
            x_adv = self._rounded(clamp(x + per_sample(radius, x) * unit(delta, "l2")))
        nearest.offer(x_adv, goal.cleared(queries.logits(x_adv)))
        return nearest.x_adv

    def _rounded(self, x: Tensor) -> Tensor:
        return x if self.levels is None else (x * (self.levels - 1)).round() / (self.levels - 1)
