"""Random noise of a given norm: what any attack must beat."""

from dataclasses import dataclass

from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import Attack
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal, signs, uniform
from hardlight.tensors import clamp, unit


@dataclass(frozen=True, kw_only=True)
class Noise(Attack):
    """Noise of one ``kind`` (uniform, gaussian, sign), each sample scaled to norm ``eps``, then clipped to the box."""

    eps: float
    norm: str = "linf"
    kind: str = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("eps", self.eps)
        checks.one_of("norm", self.norm, ("linf", "l2", "l1"))
        checks.one_of("kind", self.kind, ("uniform", "gaussian", "sign"))

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        draws = {"uniform": _centred, "gaussian": normal, "sign": signs}
        noise = draws[self.kind](index, x, seed=self.seed, stream="noise")
        return clamp(x + self.eps * unit(noise, self.norm))


def _centred(index: Tensor, like: Tensor, *, seed: int, stream: str) -> Tensor:
    return 2 * uniform(index, like, seed=seed, stream=stream) - 1
