"""The nearest, for each sample, of the images that were seen to fool the model."""

import torch
from torch import Tensor

from hardlight.tensors import norms, per_sample


class Nearest:
    """``x_adv`` like ``x``, and its distance ``length`` (N,) in ``norm``; x itself at infinity until one is seen."""

    def __init__(self, x: Tensor, norm: str) -> None:
        self.x_adv, self.length = x, torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
        self._x, self._norm = x, norm

    @property
    def found(self) -> Tensor:
        """Where one was seen: bool (N,)."""
        return self.length < torch.inf

    def offer(self, x_adv: Tensor, cleared: Tensor) -> Tensor:
        """An image for every sample, and where it fools the model; returns the distances (N,)."""
        length = norms(x_adv - self._x, self._norm)
        nearer = cleared & (length < self.length)
        self.x_adv = torch.where(per_sample(nearer, x_adv), x_adv, self.x_adv)
        self.length = torch.where(nearer, length, self.length)
        return length
