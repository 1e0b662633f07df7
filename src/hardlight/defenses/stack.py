"""Several defenses as one, and a net that wears them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hardlight import checks
from hardlight.defenses.defense import Defense


@dataclass(frozen=True)
class DefenseStack(Defense):
    """Folds its defenses' hooks in the order given."""

    defenses: tuple[Defense, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "defenses", tuple(self.defenses))
        for defense in self:
            if not isinstance(defense, Defense):
                raise ValueError(f"defenses must hold defenses, got {defense!r}")

    def __iter__(self) -> Iterator[Defense]:
        return iter(self.defenses)

    def extend(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        for defense in self:
            x, y = defense.extend(x, y)
        return x, y

    def augment(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        for defense in self:
            x, y = defense.augment(x, y)
        return x, y

    def soften(self, target: Tensor) -> Tensor:
        for defense in self:
            target = defense.soften(target)
        return target

    def harden(self, loss: Tensor, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        for defense in self:
            loss = defense.harden(loss, model, x, target)
        return loss

    def squeeze(self, x: Tensor) -> Tensor:
        for defense in self:
            x = defense.squeeze(x)
        return x


class DefendedNet(nn.Module):
    """``net`` behind the ``squeeze`` of its defenses: pixels (N, C, H, W) in [0, 1] to logits (N, K).

    ``chunk`` splits large batches, which CPU caches like; the logits are those of one whole forward, except where a
    net couples the samples of a batch (BatchNorm in training), so such a net is given none.
    """

    def __init__(self, net: nn.Module, defenses: DefenseStack, chunk: int | None = None) -> None:
        super().__init__()
        if chunk is not None:
            checks.whole("chunk", chunk, low=1)
        self.net = net
        self.defenses = defenses
        self.chunk = chunk

    def forward(self, x: Tensor) -> Tensor:
        x = self.defenses.squeeze(x)
        if self.chunk is None or len(x) <= self.chunk:
            logits: Tensor = self.net(x)
            return logits
        return torch.cat([self.net(part) for part in torch.split(x, self.chunk)])
