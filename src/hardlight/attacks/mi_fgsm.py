"""The momentum iterative FGSM (Dong et al., CVPR 2018)."""

from dataclasses import dataclass

from torch import Tensor

from hardlight import checks
from hardlight.attacks.bim import BIM
from hardlight.tensors import unit


@dataclass(frozen=True, kw_only=True)
class MIFGSM(BIM):
    """The basic iterative method along g ← decay·g + ∇/‖∇‖₁ instead of the gradient ∇: it transfers better."""

    decay: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.non_negative("decay", self.decay)

    def direction(self, gradient: Tensor, before: Tensor) -> Tensor:
        return self.decay * before + unit(gradient, "l1")
