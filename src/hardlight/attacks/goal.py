"""What an attack climbs: a loss per sample, and whether the sample is there yet."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


def _without(logits: Tensor, y: Tensor) -> Tensor:
    return logits.scatter(1, y[:, None], -torch.inf)


def cross_entropy_margin(logits: Tensor, y: Tensor) -> Tensor:
    """u = logsumexp over j≠y of z_j, minus z_y, of logits (N, K) and labels (N,): (N,).

    The cross-entropy is softplus(u), so u has the same direction of ascent, and its gradient does not vanish where a
    float32 softmax rounds to 1.
    """
    return _without(logits, y).logsumexp(1) - logits.gather(1, y[:, None]).squeeze(1)


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """max over j≠y of z_j, minus z_y (Carlini and Wagner 2017, f6 without its floor): positive off the label."""
    return _without(logits, y).amax(1) - logits.gather(1, y[:, None]).squeeze(1)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": cross_entropy_margin, "margin": margin}


_ROUNDING = 16  # in units of a float's precision


@dataclass(frozen=True)
class Goal:
    """Away from ``y`` (N,), or with ``targeted`` towards it."""

    y: Tensor
    targeted: bool = False
    loss: str = "cross_entropy"

    def value(self, logits: Tensor) -> Tensor:
        """The loss to be raised, per sample: (N,)."""
        value = LOSSES[self.loss](logits, self.y)
        return -value if self.targeted else value

    def reached(self, logits: Tensor) -> Tensor:
        """Where the prediction is what the attack wants: bool (N,)."""
        return (logits.argmax(1) == self.y) == self.targeted

    def cleared(self, logits: Tensor) -> Tensor:
        """Where it is reached by more than the rounding errors of another batch: bool (N,).

        For attacks that end close to the boundary. The least lead is relative to the spread of a sample's logits, so
        that it means the same to a net of any scale.
        """
        lead = margin(logits, self.y)
        spread = logits.amax(1) - logits.amin(1)
        return (-lead if self.targeted else lead) > _ROUNDING * torch.finfo(logits.dtype).eps * spread

    def __getitem__(self, rows: Tensor) -> "Goal":
        return Goal(self.y[rows], self.targeted, self.loss)
