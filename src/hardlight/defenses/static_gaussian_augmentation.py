"""Gaussian data augmentation of the training set, once (what Zantedeschi, Nicolae, Rawat, AISec 2017, ran)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hardlight import checks
from hardlight.defenses.gaussian_augmentation import GaussianAugmentation


@dataclass(frozen=True, kw_only=True)
class StaticGaussianAugmentation(GaussianAugmentation):
    """Gaussian augmentation whose noise is drawn from ``seed`` before the training, and the same in every epoch."""

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("seed", self.seed, high=2**63 - 1)

    def extend(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # The noise of a GPU would not be that of a CPU.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            images, labels = super().augment(x.cpu(), y)
        return images.to(x.device), labels

    def augment(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x, y
