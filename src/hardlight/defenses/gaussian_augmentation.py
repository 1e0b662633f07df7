"""Gaussian data augmentation (Zantedeschi, Nicolae, Rawat, AISec 2017, section 3.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hardlight.defenses.noisy_copies import NoisyCopies


@dataclass(frozen=True, kw_only=True)
class GaussianAugmentation(NoisyCopies):
    """Noise from N(0, sigma²), independent for every pixel and copy."""

    def noise(self, x: Tensor) -> Tensor:
        return torch.randn_like(x).mul_(self.sigma)
