"""The fast gradient sign method (Goodfellow, Shlens, Szegedy, ICLR 2015), and its L2 and L1 forms."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hardlight.attacks.attack import FixedBudget
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.tensors import clamp, steepest


@dataclass(frozen=True, kw_only=True)
class FGSM(FixedBudget):
    """One step of norm ``eps`` in the direction that raises the cross-entropy most, then into the box.

    x_adv = clip(x + eps·sign(g)) in linf, clip(x + eps·g/‖g‖₂) in l2; in l1 the pixels of largest gradient are moved
    to the edge of the box until ``eps`` is spent.
    """

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        gradient, _ = queries.gradient(x, goal)
        return clamp(x + steepest(gradient, self.norm, self.eps, x))
