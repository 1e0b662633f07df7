"""Random+FGSM (Tramèr et al., ICLR 2018): a random step before the gradient's."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import FixedBudget
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import signs
from hardlight.tensors import clamp


@dataclass(frozen=True, kw_only=True)
class RandomFGSM(FixedBudget):
    """x' = clip(x + min(alpha, eps)·s) with random signs s, then FGSM from x' with what is left, max(eps − alpha, 0).

    The linf norm of the whole is at most ``eps``.
    """

    alpha: float = 0.05

    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("alpha", self.alpha)

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        noise = signs(index, x, seed=self.seed, stream="random_fgsm")
        start = clamp(x + min(self.alpha, self.eps) * noise)
        rest = max(self.eps - self.alpha, 0.0)
        if rest == 0:
            return start
        gradient, _ = queries.gradient(start, goal)
        return clamp(start + rest * gradient.sign())
