"""Uniform noise augmentation: what Gaussian augmentation is to be compared with."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hardlight.defenses.noisy_copies import NoisyCopies


@dataclass(frozen=True, kw_only=True)
class UniformNoise(NoisyCopies):
    """Noise from U(-√3·sigma, √3·sigma): the same variance as the Gaussian's, but bounded."""

    def noise(self, x: Tensor) -> Tensor:
        bound = math.sqrt(3) * self.sigma
        return torch.empty_like(x).uniform_(-bound, bound)
