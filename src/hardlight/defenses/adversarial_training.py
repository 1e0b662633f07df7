"""Adversarial training (Goodfellow, Shlens, Szegedy, ICLR 2015, section 6), with any attack inside."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hardlight import checks
from hardlight.attacks import Attack, MinimalNorm
from hardlight.defenses.defense import Defense


@dataclass(frozen=True, kw_only=True)
class AdversarialTraining(Defense):
    """alpha·(loss so far) + (1 - alpha)·CE(model(x_adv), target), with x_adv crafted on the model of the moment.

    The attack moves away from the true labels, in eval mode, and is not differentiated through. Its whole budget of
    steps is spent (``early_stop`` is turned off: the training set would otherwise hold weaker images).
    """

    attack: Attack
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.attack, Attack) or isinstance(self.attack, MinimalNorm):  # which may leave clean copies
            raise ValueError(f"attack must be an attack with a budget, an eps, got {self.attack!r}")
        checks.fraction("alpha", self.alpha)
        object.__setattr__(self, "attack", self.attack.exhaustive())

    def harden(self, loss: Tensor, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        # The trainer seeds torch from (seed, epoch, batch, rank), so these name every row of the training apart.
        index = torch.randint(2**62, (len(x),), device=x.device)
        x_adv = self.attack(model, x.clamp(0, 1), target.argmax(1), index=index)
        return self.alpha * loss + (1 - self.alpha) * cross_entropy(model(x_adv), target)
