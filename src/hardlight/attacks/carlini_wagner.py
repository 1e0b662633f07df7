"""What the attacks of Carlini and Wagner (IEEE S&P 2017) share: Adam on a distance and a margin, inside the box."""

import math
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.const_search import LARGEST_CONST
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.tensors import clamp, norms, per_sample

MOST_STEPS = 1_000_000
_REACH = 0.99  # of the tanh, at the edge of the box: where the slope still is a fiftieth of that in the middle
_CHECKS = 10  # of its progress, in a descent
_FALL = 0.99  # what the loss must fall to from one check to the next
_BETAS = (0.9, 0.999)

Distance = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Of perturbations (N, ...) of the samples ``rows`` (N,): the value (N,) and its gradient by the perturbation."""


def squared_l2(delta: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The distance of the L2 attack, and of what builds on it."""
    return delta.square().flatten(1).sum(1), 2 * delta


@dataclass(frozen=True, kw_only=True)
class CarliniWagner(MinimalNorm, ABC):
    """Minimises distance + const · max(confidence - margin, 0) over w, where x_adv moves with tanh(w).

    The margin is that of the logits by which the goal is reached. An image counts as found if its margin is at least
    ``confidence``. Every descent takes at most ``steps`` steps of Adam with learning rate ``lr``; with ``abort_early``
    a sample leaves once a tenth of them has not lowered its loss by 1 %.

    The paper's x_adv = (tanh(w) + 1)/2 is flat at 0 and 1, where pixels of drawings and saturated photographs are and
    could not move. Here the box ends at tanh(w) = ±0.99, and w goes no further.
    """

    confidence: float = 0.0
    initial_const: float = 1.0
    steps: int = 100
    lr: float = 0.1
    abort_early: bool = True

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.non_negative("confidence", self.confidence)
        checks.number("initial_const", self.initial_const, low=0, strict_low=True, high=LARGEST_CONST)
        checks.whole("steps", self.steps, low=1, high=MOST_STEPS)
        checks.positive("lr", self.lr)
        checks.flag("abort_early", self.abort_early)

    def found(self, logits: Tensor, goal: Goal) -> Tensor:
        """Where the goal is reached with the confidence asked for: bool (N,)."""
        return goal.cleared(logits) & (replace(goal, loss="margin").value(logits) >= self.confidence)

    def descend(
        self,
        queries: Queries,
        x: Tensor,
        goal: Goal,
        const: Tensor,
        *,
        norm: str = "l2",
        distance: Distance = squared_l2,
        start: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Where an image was found (N,), and there the one nearest to x in ``norm``; elsewhere x.

        ``const`` (N,) weighs the margin. Only where ``mask`` (like x) is 1 do pixels move; ``start`` is another image
        than x to begin at, which must be x where the mask is 0.
        """
        goal, rows = replace(goal, loss="margin"), torch.arange(len(x), device=x.device)
        best, nearest = x.clone(), torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
        origin, aim, move, const = x, goal, torch.ones_like(x) if mask is None else mask.to(x.dtype), const.to(x.dtype)
        end = math.atanh(_REACH)
        centre = torch.tanh(_inverse(x))
        w = _inverse(x if start is None else start)
        first, second = torch.zeros_like(x), torch.zeros_like(x)
        lowest = before = nearest.clone()
        for step in range(1, self.steps + 2 if len(x) else 1):
            t = torch.tanh(w)
            x_adv = clamp(origin + (t - centre) / (2 * _REACH))
            delta = x_adv - origin
            trace = queries.trace(x_adv, rows)
            logits = trace.logits.requires_grad_()
            lack = (self.confidence - aim.value(logits)).clamp_min(0)
            (by_logits,) = torch.autograd.grad(-lack.sum(), logits)
            length = norms(delta, norm)
            better = self.found(logits.detach(), aim) & (length < nearest[rows])
            best[rows] = torch.where(per_sample(better, x), x_adv, best[rows])
            nearest[rows] = torch.where(better, length, nearest[rows])
            if step > self.steps:
                break
            value, gradient = distance(delta, rows)
            loss = value + const * lack.detach().to(x.dtype)
            lowest = torch.minimum(lowest, loss)
            gradient = gradient - per_sample(const, x) * trace.gradient(by_logits)
            gradient *= move * (1 - t * t) / (2 * _REACH)
            first.lerp_(gradient, 1 - _BETAS[0])
            second.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
            scale = (second / (1 - _BETAS[1] ** step)).sqrt_().add_(1e-8)
            w = w.addcdiv(first, scale, value=-self.lr / (1 - _BETAS[0] ** step)).clamp_(-end, end)
            on = loss > 0
            if self.abort_early and step % math.ceil(self.steps / _CHECKS) == 0:
                on &= lowest < _FALL * before
                before = lowest
            if not bool(on.all()):
                rows, origin, aim, move, const = rows[on], origin[on], aim[on], move[on], const[on]
                centre, w, first, second = centre[on], w[on], first[on], second[on]
                lowest, before = lowest[on], before[on]
                if not len(rows):
                    break
        return nearest.isfinite(), best


def _inverse(x: Tensor) -> Tensor:
    return torch.atanh(_REACH * (2 * x - 1))
