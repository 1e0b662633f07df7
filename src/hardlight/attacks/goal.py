"""What an attack climbs: a loss per sample, and whether the sample is there yet."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


def _without(logits: Tensor, y: Tensor) -> Tensor:
    return logits.scatter(1, y[:, None], -torch.inf)


def rivals(logits: Tensor, y: Tensor) -> Tensor:
    """The classes other than ``y`` (N,), the likeliest first: (N, K-1)."""
    return _without(logits, y).argsort(dim=1, descending=True, stable=True)[:, :-1]


def cross_entropy_margin(logits: Tensor, y: Tensor) -> Tensor:
    """u = logsumexp over j≠y of z_j, minus z_y, of logits (N, K) and labels (N,): (N,).

    The cross-entropy is softplus(u), so u has the same direction of ascent, and its gradient does not vanish where a
    float32 softmax rounds to 1.
    """
    return _without(logits, y).logsumexp(1) - logits.gather(1, y[:, None]).squeeze(1)


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """max over j≠y of z_j, minus z_y (Carlini and Wagner 2017, f6 without its floor): positive off the label."""
    return _without(logits, y).amax(1) - logits.gather(1, y[:, None]).squeeze(1)


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """The difference of logits ratio (Croce and Hein, ICML 2020): the margin over z_π1 - z_π3, π by falling logits.

    Neither a shift nor a positive scale of the logits changes it. With two classes every such ratio is constant, and
    it is the plain margin.
    """
    if logits.shape[1] == 2:
        return margin(logits, y)
    top = logits.topk(3).values
    return margin(logits, y) / _at_least(top[:, 0] - top[:, 2], logits)


def targeted_dlr(logits: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """z_target - z_source over z_π1 - (z_π3 + z_π4)/2, of the classes ``source`` and ``target`` (N,): (N,).

    Over the other ratio's z_π1 - z_π3 it would be constant where the target comes third. With fewer than four classes
    it is the plain difference: a ratio of three logits would rise with z_source where the target comes last.
    """
    z_source, z_target = logits.gather(1, torch.stack([source, target], 1)).unbind(1)
    if logits.shape[1] < 4:
        return z_target - z_source
    top = logits.topk(4).values
    return (z_target - z_source) / _at_least(top[:, 0] - top[:, 2:].mean(1), logits)


def _at_least(scale: Tensor, logits: Tensor) -> Tensor:
    """Kept off zero, so that no gradient overflows where logits are equal."""
    spread = (logits.amax(1) - logits.amin(1)).detach()
    return torch.maximum(scale, 1e-6 * spread + 1e-20)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": cross_entropy_margin,
    "margin": margin,
    "dlr": dlr,
}


def rounding(logits: Tensor) -> Tensor:
    """What a difference of logits (N, K) may change by where a sample comes in another batch, at the most: (N,).

    Relative to the spread of the sample's logits, so that it means the same to a net of any scale.
    """
    return 16 * torch.finfo(logits.dtype).eps * (logits.amax(1) - logits.amin(1))


@dataclass(frozen=True)
class Goal:
    """Away from ``y`` (N,), or with ``targeted`` towards it; with ``rival`` (N,) away from y towards that class."""

    y: Tensor
    targeted: bool = False
    loss: str = "cross_entropy"
    rival: Tensor | None = None

    def value(self, logits: Tensor) -> Tensor:
        """The loss to be raised, per sample: (N,); for ``dlr`` with a class to go to, the targeted one."""
        if self.loss == "dlr" and self.rival is not None:
            return targeted_dlr(logits, self.y, self.rival)
        if self.loss == "dlr" and self.targeted:
            return targeted_dlr(logits, _without(logits, self.y).argmax(1), self.y)
        value = LOSSES[self.loss](logits, self.y)
        return -value if self.targeted else value

    def reached(self, logits: Tensor) -> Tensor:
        """Where the prediction is what the attack wants: bool (N,)."""
        return (logits.argmax(1) == self.y) == self.targeted

    def cleared(self, logits: Tensor) -> Tensor:
        """Where it is reached by more than ``rounding``: bool (N,). For attacks that end close to the boundary."""
        lead = margin(logits, self.y)
        return (-lead if self.targeted else lead) > rounding(logits)

    def __getitem__(self, rows: Tensor) -> "Goal":
        return replace(self, y=self.y[rows], rival=None if self.rival is None else self.rival[rows])
