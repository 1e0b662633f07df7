"""The L0 attack of Carlini and Wagner (IEEE S&P 2017)."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.carlini_wagner import CarliniWagner
from hardlight.attacks.const_search import LARGEST_CONST
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.tensors import per_sample

_AT_ONCE = 0.3  # of the square root of how many features are changed: what a round fixes


@dataclass(frozen=True, kw_only=True)
class CWL0(CarliniWagner):
    """Runs the L2 attack again and again, each time on fewer features, until it fails.

    After each success the features that it left alone are fixed to the clean image's values, and of the others those
    of least g·delta, what their change does for the margin to first order. The next run begins at what is left of the
    change. A run is a descent at ``initial_const``, the weight of the margin, or at what served the sample last; where
    that finds nothing, at ten times as much, up to ``largest_const``.

    As in the authors' code a round fixes several features, 0.3 of the square root of those that are changed. Unlike
    there, a round that fails is tried again with half as many, down to one, and a pixel's channels are features of
    their own.
    """

    norm: str = "l0"
    steps: int = 50
    largest_const: float = 1e4

    norms: ClassVar[tuple[str, ...]] = ("l0",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number("largest_const", self.largest_const, low=self.initial_const, high=LARGEST_CONST)

    @property
    def passes(self) -> int:
        return 1 + 30 * self.steps

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        rows = (~self.found(queries.logits(x), goal)).nonzero().squeeze(1)
        x_adv = x.clone()
        x_adv[rows] = self._fewest(queries.part(rows), x[rows], replace(goal[rows], loss="margin"))
        return x_adv

    def _fewest(self, queries: Queries, x: Tensor, goal: Goal) -> Tensor:
        solution = x.clone()
        rank = torch.zeros(x.shape, dtype=torch.int64, device=x.device)  # a feature may move if it is at least `fixed`
        fixed = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        const = torch.full((len(x),), self.initial_const, dtype=x.dtype, device=x.device)
        served = const.clone()  # the const of the last success
        active = torch.arange(len(x), device=x.device)
        while len(active):
            mask = rank[active] >= per_sample(fixed[active], x)
            start = torch.where(mask, solution[active], x[active])
            asked = queries.part(active)
            found, tried = self.descend(asked, x[active], goal[active], const[active], start=start, mask=mask)
            won, lost = active[found], active[~found]
            if len(won):
                solution[won], served[won] = tried[found], const[won]
                gradient, _ = queries.gradient(tried[found], goal[won], won)
                rank[won], changed = _ranked(tried[found] - x[won], gradient)
                fixed[won] = torch.minimum((_AT_ONCE * changed.sqrt()).ceil().long(), changed - 1)
            spent = const[lost] >= self.largest_const
            fixed[lost] = torch.where(spent, fixed[lost] // 2, fixed[lost])
            const[lost] = torch.where(spent, served[lost], (10 * const[lost]).clamp_max(self.largest_const))
            over = fixed == 0
            over[lost] &= spent
            active = active[~over[active]]
        return solution


def _ranked(delta: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The rank of what each feature's change does for the loss, below 0 where there is none, and how many have any."""
    changed = (delta != 0).flatten(1)
    worth = (gradient * delta).flatten(1).masked_fill(~changed, -torch.inf)
    rank = worth.argsort(dim=1, stable=True).argsort(dim=1) - (~changed).sum(1, keepdim=True)
    return rank.reshape(delta.shape), changed.sum(1)
