"""The Linf attack of Carlini and Wagner (IEEE S&P 2017)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.carlini_wagner import CarliniWagner
from hardlight.attacks.const_search import LARGEST_CONST
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.tensors import norms, per_sample

_LEAST_TAU = 1e-6


@dataclass(frozen=True, kw_only=True)
class CWLinf(CarliniWagner):
    """Minimises Σ max(|delta| - tau, 0) + const · max(confidence - margin, 0), for an ever smaller tau.

    A descent that finds an image within ``tau`` begins a next one there, with tau ``decrease_factor`` times the image's
    own Linf norm; one that does not is repeated with ten times the const, from ``initial_const`` up to
    ``largest_const``, where the sample is done. The first tau is 1, the whole box. (The paper doubles const, and stops
    at tau = 1/256.) Adam's steps leave some pixel above tau where nearly all must be at it, so that what it finds is
    somewhat longer than the shortest: FMN finds nearer images in less time.
    """

    norm: str = "linf"
    initial_const: float = 0.1
    steps: int = 300
    lr: float = 0.01
    largest_const: float = 100.0
    decrease_factor: float = 0.9

    norms: ClassVar[tuple[str, ...]] = ("linf",)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number("largest_const", self.largest_const, low=self.initial_const, high=LARGEST_CONST)
        checks.number("decrease_factor", self.decrease_factor, low=0, strict_low=True, high=0.99)

    @property
    def passes(self) -> int:
        return 1 + 10 * (1 + self.steps)  # most descents are short

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        x_adv = x.clone()
        rows = (~self.found(queries.logits(x), goal)).nonzero().squeeze(1)
        tau = torch.ones(len(x), dtype=x.dtype, device=x.device)
        const = torch.full_like(tau, self.initial_const)
        length = torch.full_like(tau, torch.inf)
        while len(rows):
            origin, allowed = x[rows], per_sample(tau[rows], x)

            def excess(delta: Tensor, kept: Tensor, allowed: Tensor = allowed) -> tuple[Tensor, Tensor]:
                over = delta.abs() - allowed[kept]
                return over.clamp_min(0).flatten(1).sum(1), delta.sign() * (over > 0)

            _, tried = self.descend(
                queries.part(rows), origin, goal[rows], const[rows], norm="linf", distance=excess, start=x_adv[rows]
            )
            reach = norms(tried - origin, "linf")
            better = (reach > 0) & (reach < length[rows])
            x_adv[rows[better]], length[rows[better]] = tried[better], reach[better]
            within = better & (reach <= tau[rows])
            heavier = torch.where(within, const[rows], (10 * const[rows]).clamp_max(self.largest_const))
            spent = ~within & (heavier == const[rows])
            const[rows] = heavier
            tau[rows] = torch.where(within, self.decrease_factor * reach, tau[rows])
            rows = rows[~spent & (tau[rows] > _LEAST_TAU)]
        return x_adv
