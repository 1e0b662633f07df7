"""Bounded RELU (Liew, Khalil-Hani, Bakhteri 2016; Zantedeschi, Nicolae, Rawat, AISec 2017, section 3.1)."""

from torch import Tensor, nn

from hardlight import checks


class BoundedReLU(nn.Module):
    """min(max(x, 0), t): a perturbation cannot grow past ``t`` in any unit. The gradient is 0 outside [0, t]."""

    def __init__(self, t: float = 1.0) -> None:
        super().__init__()
        checks.positive("t", t)
        self.t = t

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(0, self.t)

    @property
    def gradient(self) -> str:
        """What it is, in words: for the statement beside the results."""
        return f"exact, zero outside [0, {self.t:g}]"

    def extra_repr(self) -> str:
        return f"t={self.t}"
