"""Training on noisy copies of each batch, whatever the noise."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from hardlight import checks
from hardlight.defenses.defense import Defense

AT_ONCE = 16384  # images whose noise is in memory together


@dataclass(frozen=True, kw_only=True)
class NoisyCopies(Defense):
    """Each batch (N) becomes ``copies``·N noisy images, after the N clean ones with ``keep_clean``.

    ``sigma`` is the noise's standard deviation in pixel units. ``clip`` brings the noisy pixels back into [0, 1].
    Fresh noise is drawn for every batch.
    """

    sigma: float
    copies: int = 10
    keep_clean: bool = True
    clip: bool = False

    def __post_init__(self) -> None:
        checks.positive("sigma", self.sigma)
        checks.whole("copies", self.copies, low=1)
        checks.flag("keep_clean", self.keep_clean)
        checks.flag("clip", self.clip)

    @abstractmethod
    def noise(self, x: Tensor) -> Tensor:
        """Noise like ``x`` with standard deviation ``sigma``."""

    def augment(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        clean = len(x) if self.keep_clean else 0
        out = x.repeat(self.copies + self.keep_clean, *[1] * (x.dim() - 1))
        # In place: the copies are the largest tensor of a step that is not an activation.
        for noisy in torch.split(out[clean:], AT_ONCE):
            noisy += self.noise(noisy)
            if self.clip:
                noisy.clamp_(0, 1)
        return out, y.repeat(self.copies + self.keep_clean)
