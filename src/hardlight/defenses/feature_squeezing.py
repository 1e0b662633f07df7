"""Feature squeezing by bit depth (Xu, Evans, Qi, NDSS 2018)."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hardlight import checks
from hardlight.backward import in_use
from hardlight.defenses.defense import Defense
from hardlight.tensors import surrogate

ALPHA = 4.0  # the slope of soft rounding is then 2.1 between two levels and 0.15 on one


@dataclass(frozen=True, kw_only=True)
class FeatureSqueezing(Defense):
    """Pixels rounded to ``bits`` bits, x → round(x·(2^bits - 1))/(2^bits - 1), halves to even.

    Rounding has no useful gradient, so ``backward`` says what the attacker differentiates instead:
    ``straight_through`` the identity (BPDA: Athalye, Carlini, Wagner, ICML 2018), ``soft`` soft rounding, which is
    steepest halfway between two levels (Agustsson, Theis, NeurIPS 2020), ``exact`` the zero it has. An attack may ask
    for another of them.
    """

    bits: int
    backward: str = "straight_through"

    OFFERED: ClassVar[tuple[str, ...]] = ("straight_through", "soft", "exact")

    def __post_init__(self) -> None:
        checks.whole("bits", self.bits, low=1, high=8)
        checks.one_of("backward", self.backward, self.OFFERED)

    @property
    def gradient(self) -> str:
        """What it is, in words: for the statement beside the results."""
        return {
            "straight_through": "straight-through, as if pixels were not rounded (BPDA)",
            "soft": "soft, of a smooth approximation of rounding",
            "exact": "exact, which is zero: attacks by gradient are blind unless they ask for another",
        }[self.backward]

    def squeeze(self, x: Tensor) -> Tensor:
        levels = 2**self.bits - 1
        squeezed: Tensor = (x * levels).round() / levels
        backward = in_use(self.backward, self.OFFERED)
        if backward == "exact":
            return squeezed
        return surrogate(squeezed, x if backward == "straight_through" else soft_round(x * levels) / levels)


def soft_round(x: Tensor) -> Tensor:
    """m + tanh(α(x - m)) / (2 tanh(α/2)), m the middle of the two whole numbers around x: the same on these."""
    middle = x.detach().floor() + 0.5
    return middle + (ALPHA * (x - middle)).tanh() / (2 * math.tanh(ALPHA / 2))
