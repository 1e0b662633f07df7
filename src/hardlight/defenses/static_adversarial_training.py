"""Adversarial training on a set crafted once (what Zantedeschi, Nicolae, Rawat, AISec 2017, ran as AT)."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hardlight.attacks import Attack, MinimalNorm
from hardlight.defenses.crafted_copies import CraftedCopies


@dataclass(frozen=True, kw_only=True)
class StaticAdversarialTraining(CraftedCopies):
    """The copies are ``attack``'s, with its whole budget of steps spent (``early_stop`` is turned off)."""

    attack: Attack

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.attack, Attack) or isinstance(self.attack, MinimalNorm):  # which may leave clean copies
            raise ValueError(f"attack must be an attack with a budget, an eps, got {self.attack!r}")
        object.__setattr__(self, "attack", self.attack.exhaustive())

    def craft(self, model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, index: Tensor) -> Tensor:
        return self.attack(model, x, y, index=index)
