"""Random noise of a given norm: what any attack must beat."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import FixedBudget
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal, signs, uniform
from hardlight.tensors import clamp, unit


@dataclass(frozen=True, kw_only=True)
class Noise(FixedBudget):
    """Noise of one ``kind`` (uniform, gaussian, sign), each sample scaled to norm ``eps``, then clipped to the box."""

    kind: str = "uniform"

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    draws: ClassVar[bool] = True
    gradients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("kind", self.kind, ("uniform", "gaussian", "sign"))

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        draws = {"uniform": _centred, "gaussian": normal, "sign": signs}
        noise = draws[self.kind](index, x, seed=self.seed, stream="noise")
        return clamp(x + self.eps * unit(noise, self.norm))


def _centred(index: Tensor, like: Tensor, *, seed: int, stream: str) -> Tensor:
    return 2 * uniform(index, like, seed=seed, stream=stream) - 1
