"""Training beside one adversarial copy of every image, crafted once, on another net."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hardlight.defenses.defense import Defense

BATCH = 128  # images crafted at a time; the copies do not depend on it


@dataclass(frozen=True, kw_only=True)
class CraftedCopies(Defense):
    """The training set (N) becomes the N clean images and N adversarial ones, with the true labels of both.

    ``source`` is the trained, undefended net to craft on: pixels (N, C, H, W) in [0, 1] to logits (N, K). On the
    command line it is the path of a checkpoint, which is loaded where there is a training set to extend.
    """

    source: Callable[[Tensor], Tensor] | str

    def __post_init__(self) -> None:
        if not (callable(self.source) or (isinstance(self.source, str) and self.source)):
            raise ValueError(f"source must be a net, or the path of a checkpoint, got {self.source!r}")

    @abstractmethod
    def craft(self, model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, index: Tensor) -> Tensor:
        """Adversarial images like ``x``; ``index`` (N,) names the samples for their random numbers."""

    def copies(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        """The adversarial image of each of ``x``, batch by batch, crafted where ``source`` lies."""
        if isinstance(self.source, str):
            raise ValueError(f"source must be a net to craft on: give hardlight.load({self.source!r})")
        device = x.device
        if isinstance(self.source, nn.Module):
            device = next((parameter.device for parameter in self.source.parameters()), device)
        for rows in torch.split(torch.arange(len(x)), BATCH):
            pixels, labels = x[rows].to(device).clamp(0, 1), y[rows].to(device)
            yield self.craft(self.source, pixels, labels, rows.to(device)).to(x.device)

    def extend(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([x, *self.copies(x, y)]), torch.cat([y, y])
