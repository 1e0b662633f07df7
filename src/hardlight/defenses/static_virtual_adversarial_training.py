"""Virtual adversarial examples as training images (what Zantedeschi, Nicolae, Rawat, AISec 2017, ran as VAT)."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hardlight import checks
from hardlight.attacks import Queries, attackable
from hardlight.attacks.randomness import normal
from hardlight.attacks.virtual_direction import virtual_direction
from hardlight.defenses.crafted_copies import CraftedCopies
from hardlight.tensors import clamp


@dataclass(frozen=True, kw_only=True)
class StaticVirtualAdversarialTraining(CraftedCopies):
    """The copies are clip(x + r), r the L2 step of length ``eps`` that changes the source's prediction most.

    r is found as in ``VirtualAdversarialTraining``, from a direction drawn by ``seed``.
    """

    eps: float = 2.1
    xi: float = 0.1
    iterations: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("eps", self.eps)
        checks.positive("xi", self.xi)
        checks.whole("iterations", self.iterations, low=1)
        checks.whole("seed", self.seed, high=2**63 - 1)

    def craft(self, model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, index: Tensor) -> Tensor:
        start = normal(index, x, seed=self.seed, stream="vat_static")
        with attackable(model, x.device):
            queries = Queries(model, len(x), x.device)
            clean = queries.logits(x)
            r = self.eps * virtual_direction(queries, x, clean, start, xi=self.xi, iterations=self.iterations)
            return clamp(x + r)
