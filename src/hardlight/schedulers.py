"""Learning rates that know how many steps there will be."""

import math
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from hardlight import checks

__all__ = ["Warmup"]


@dataclass(frozen=True, kw_only=True)
class Warmup:
    """Linear warm-up (Goyal et al. 2017): of the first n steps, the k-th is taken at k/n of the learning rate.

    n is ``fraction`` of all steps. From then on the rate stays as it is, or with ``cosine`` falls to 0 along half a
    cosine (Loshchilov, Hutter, ICLR 2017).
    """

    fraction: float = 0.1
    cosine: bool = False

    def __post_init__(self) -> None:
        checks.fraction("fraction", self.fraction)
        checks.flag("cosine", self.cosine)

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LambdaLR:
        """A scheduler to be stepped after every one of ``total_steps``."""
        return LambdaLR(optimizer, lambda step: self.share(step, total_steps))

    def share(self, step: int, total_steps: int) -> float:
        """Of the learning rate, at ``step`` (from 0)."""
        warm = round(self.fraction * total_steps)
        if step < warm:
            return (step + 1) / warm
        if not self.cosine:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total_steps - warm))))
