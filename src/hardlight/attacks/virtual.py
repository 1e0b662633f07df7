"""Virtual adversarial examples (Miyato, Maeda, Koyama, Nakae, Ishii, ICLR 2016; TPAMI 2018)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import FixedBudget
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal
from hardlight.attacks.virtual_direction import virtual_direction
from hardlight.tensors import clamp, steepest


@dataclass(frozen=True, kw_only=True)
class VirtualAdversarial(FixedBudget):
    """clip(x + r), r the step of norm ``eps`` that changes the predicted distribution most: its KL divergence.

    The direction comes from ``iterations`` power iterations on the divergence's Hessian, from a random start, by finite
    differences of length ``xi`` (the paper's 1e-6 rounds to nothing in float32; the direction hardly depends on it).
    In l2 r goes along it, in linf along its signs. Labels and targets are not used.
    """

    norm: str = "l2"
    iterations: int = 5
    xi: float = 0.1

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")
    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("iterations", self.iterations, low=1)
        checks.positive("xi", self.xi)

    @property
    def passes(self) -> int:
        return 1 + self.iterations

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        start = normal(index, x, seed=self.seed, stream="virtual")
        direction = virtual_direction(queries, x, queries.logits(x), start, xi=self.xi, iterations=self.iterations)
        return clamp(x + steepest(direction, self.norm, self.eps, x))
