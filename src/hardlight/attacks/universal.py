"""The universal perturbation (Moosavi-Dezfooli, Fawzi, Fawzi, Frossard, CVPR 2017): one for a whole set."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import FixedBudget
from hardlight.attacks.deepfool import DeepFool
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.tensors import clamp, project


@dataclass(frozen=True, kw_only=True)
class Universal(FixedBudget):
    """x_adv = clip(x + v) with one v of norm at most ``eps`` for all images of the call, which are its set.

    Up to ``steps`` passes over the set, until at least the share 1 − ``delta`` of it is fooled. What x + v does not
    fool yet is pushed over the boundary by ``DeepFool`` (``deepfool_steps``, ``overshoot``), and v takes the push and
    is projected onto the ball. The v that fooled most at the end of a pass is returned; images that are all off their
    labels as they are stay so, with v = 0.

    The paper takes one image at a time, in an order drawn anew for each pass. We take ``batch_size`` in the order
    given, whose pushes are averaged (1 is the paper's rule), and v moves on from images clipped to the box.
    """

    steps: int = 10
    delta: float = 0.2
    deepfool_steps: int = 10
    overshoot: float = 0.02
    batch_size: int = 8

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")
    per_sample: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        checks.fraction("delta", self.delta)
        checks.whole("deepfool_steps", self.deepfool_steps, low=1)
        checks.non_negative("overshoot", self.overshoot)
        checks.whole("batch_size", self.batch_size, low=1)

    @property
    def passes(self) -> int:
        return self.steps * (2 + min(self.deepfool_steps, 9))

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        push = DeepFool(norm=self.norm, steps=self.deepfool_steps, overshoot=self.overshoot)
        v = best = torch.zeros_like(x[:1])
        most = -1.0
        for _ in range(self.steps):
            for rows in torch.split(torch.arange(len(x), device=x.device), self.batch_size):
                start = clamp(x[rows] + v)
                delta = push.perturb(queries.part(rows), start, goal[rows], index[rows]) - start
                moved = delta.flatten(1).any(1).sum().clamp_min(1)
                v = project(v + delta.sum(0, keepdim=True) / moved, self.norm, self.eps)
            rate = float(goal.reached(queries.logits(clamp(x + v))).double().mean())
            if rate > most:
                best, most = v, rate
            if rate >= 1 - self.delta:
                break
        return clamp(x + best)
