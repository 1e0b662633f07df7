"""Bounded RELU (Liew, Khalil-Hani, Bakhteri 2016; Zantedeschi, Nicolae, Rawat, AISec 2017, section 3.1)."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from hardlight import checks
from hardlight.backward import in_use
from hardlight.tensors import surrogate


class BoundedReLU(nn.Module):
    """min(max(x, 0), t): a perturbation cannot grow past ``t`` in any unit.

    ``backward`` is how it is differentiated: ``exact``, zero outside [0, t], where a saturated net is blind, or
    ``leaky``, with the slope ``SLOPE`` there. An attack may ask for the other.
    """

    OFFERED: ClassVar[tuple[str, ...]] = ("leaky", "exact")
    SLOPE: ClassVar[float] = 0.03  # less helps a saturated net less, more misleads on one that is not

    def __init__(self, t: float = 1.0, backward: str = "exact") -> None:
        super().__init__()
        checks.positive("t", t)
        checks.one_of("backward", backward, self.OFFERED)
        self.t = t
        self.backward = backward

    def forward(self, x: Tensor) -> Tensor:
        bounded = x.clamp(0, self.t)
        if in_use(self.backward, self.OFFERED) == "exact":
            return bounded
        return surrogate(bounded, torch.where(x == bounded, x, self.SLOPE * x))

    @property
    def gradient(self) -> str:
        """What it is, in words: for the statement beside the results."""
        outside = "zero" if self.backward == "exact" else f"slope {self.SLOPE:g}"
        return f"{self.backward}, {outside} outside [0, {self.t:g}]"

    def extra_repr(self) -> str:
        return f"t={self.t}"
