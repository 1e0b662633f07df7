"""Feature squeezing by bit depth (Xu, Evans, Qi, NDSS 2018)."""

from dataclasses import dataclass

from torch import Tensor

from hardlight import checks
from hardlight.defenses.defense import Defense


@dataclass(frozen=True, kw_only=True)
class FeatureSqueezing(Defense):
    """Pixels rounded to ``bits`` bits, x → round(x·(2^bits - 1))/(2^bits - 1), halves to even.

    Rounding has no useful gradient, so ``backward`` says what the attacker differentiates instead:
    ``straight_through`` the identity (BPDA: Athalye, Carlini, Wagner, ICML 2018), ``exact`` the zero it has.
    """

    bits: int
    backward: str = "straight_through"

    def __post_init__(self) -> None:
        checks.whole("bits", self.bits, low=1, high=8)
        checks.one_of("backward", self.backward, ("straight_through", "exact"))

    @property
    def gradient(self) -> str:
        """What it is, in words: for the statement beside the results."""
        if self.backward == "exact":
            return "exact, which is zero: attacks by gradient are blind"
        return "straight-through, as if pixels were not rounded (BPDA)"

    def squeeze(self, x: Tensor) -> Tensor:
        levels = 2**self.bits - 1
        squeezed: Tensor = (x * levels).round() / levels
        if self.backward == "exact":
            return squeezed
        return squeezed.detach() + (x - x.detach())  # the value is exactly the squeezed one, the gradient is x's
