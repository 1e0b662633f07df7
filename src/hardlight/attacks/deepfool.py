"""DeepFool (Moosavi-Dezfooli, Fawzi, Frossard, CVPR 2016): step by step to the linearised model's nearest boundary."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.boundary import AIM, nearest_boundary
from hardlight.attacks.goal import Goal, rivals, rounding
from hardlight.attacks.hyperplane import to_hyperplane
from hardlight.attacks.queries import Queries
from hardlight.tensors import DUAL, clamp, norms, per_sample, steepest

_SHORTEST, _LONGEST = 1e-5, 1e6  # of a step
_CLOSE = 0.05  # to the boundary, as a share of what the first step had to cross


@dataclass(frozen=True, kw_only=True)
class DeepFool(MinimalNorm):
    """Steps to the nearest boundary of the linearised model, each ``1 + overshoot`` times as long as that needs.

    At most ``steps`` of them; a sample leaves at the first iterate that fools the model, clipped to the box and with
    its overshoot. At every iterate the ``candidates`` classes of highest logit are the label's rivals. With a target,
    each step goes to the target's boundary with the class that leads. No step is shorter than 1e-5 (the authors' code
    adds 1e-4 to each), since what the box takes from one may leave it just short of the boundary for ever.

    The paper looks at the gradients of every rival, we at those that can still be nearest: a rival is passed over if,
    to be it, it would have to be more than ``slack`` times as steep as when last seen (never seen: as the steepest
    seen). A ``slack`` of 1e15 passes over none. The box takes a part of most steps, and what is left would be crossed
    bit by bit: within 5 % of what the first step had to cross, the step is the shortest one within the box.
    """

    steps: int = 100
    overshoot: float = 0.02
    candidates: int = 9
    slack: float = 2.0

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        checks.non_negative("overshoot", self.overshoot)
        checks.whole("candidates", self.candidates, low=1)
        checks.number("slack", self.slack, low=1)

    @property
    def passes(self) -> int:
        return 1 + min(self.steps, 9)  # most samples leave early

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        found = x.clone()
        rows, x_adv, steep, first = torch.arange(len(x), device=x.device), x, None, None
        for _ in range(self.steps):
            trace, aim = queries.trace(x_adv, rows), goal[rows]
            cleared = aim.cleared(trace.logits)
            found[rows[cleared]] = x_adv[cleared]
            need = self._need(trace.logits, aim).to(x.dtype).masked_fill(cleared[:, None], torch.inf)
            steep = torch.zeros_like(need) if steep is None else steep
            distance, gradient, _ = nearest_boundary(
                queries, trace, x_adv, aim.y, rows, need, steep, norm=self.norm, slack=self.slack, guess=True
            )
            gradient = -gradient if goal.targeted else gradient
            left = distance.isfinite()
            rows, x_adv, steep = rows[left], x_adv[left], steep[left]
            if not len(rows):
                return found
            gradient, size = gradient[left], ((1 + self.overshoot) * distance[left]).clamp(_SHORTEST, _LONGEST)
            gap = size * norms(gradient, DUAL[self.norm])
            first = gap if first is None else first[left]
            step = per_sample(size, x_adv) * steepest(gradient, self.norm, 1.0, x_adv)
            close = gap < _CLOSE * first
            step[close] = to_hyperplane(x_adv[close], gradient[close], -gap[close], self.norm)
            x_adv = clamp(x_adv + step)
        cleared = goal[rows].cleared(queries.logits(x_adv, rows))
        found[rows[cleared]] = x_adv[cleared]
        return found

    def _need(self, logits: Tensor, goal: Goal) -> Tensor:
        """By how much the logits must part for each rival's boundary to be crossed: (N, K), infinite for no rival."""
        likeliest = rivals(logits, goal.y)[:, : 1 if goal.targeted else self.candidates]
        gap = logits.gather(1, goal.y[:, None]) - logits.gather(1, likeliest)
        least = AIM * rounding(logits)[:, None]
        return torch.full_like(logits, torch.inf).scatter(1, likeliest, (-gap if goal.targeted else gap) + least)
