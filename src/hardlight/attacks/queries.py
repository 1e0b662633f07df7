"""The one place where an attack asks the model anything, so that every sample's passes are counted."""

from collections.abc import Callable

import torch
from torch import Tensor

from hardlight.attacks.goal import Goal

Model = Callable[[Tensor], Tensor]


class Queries:
    """Asks ``model`` for logits and input gradients; counts passes for each of ``n`` samples.

    ``rows`` (indices into the n samples) says which samples a smaller batch holds; None means all of them, in order.
    """

    def __init__(self, model: Model, n: int, device: torch.device) -> None:
        self.model = model
        self.forward_passes = torch.zeros(n, dtype=torch.int64, device=device)
        self.backward_passes = torch.zeros(n, dtype=torch.int64, device=device)

    def logits(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        """(N, K), without a graph."""
        self._count(self.forward_passes, rows)
        with torch.no_grad():
            return self.model(x)

    def gradient(self, x: Tensor, goal: Goal, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The gradient of each sample's loss by its pixels, like ``x``, and the logits (N, K) at ``x``.

        Only the input's gradient is computed: no parameter's ``.grad`` is touched, whether or not it requires one.
        Raises ``ValueError`` if the model's output is cut off from its input.
        """
        self._count(self.forward_passes, rows)
        self._count(self.backward_passes, rows)
        leaf = x.detach().requires_grad_()
        logits = self.model(leaf)
        loss = goal.value(logits).sum()
        if not loss.requires_grad:
            raise ValueError("the model's logits carry no gradient to its pixels: an argmax, detach or no_grad inside?")
        (gradient,) = torch.autograd.grad(loss, leaf)
        return gradient, logits.detach()

    @staticmethod
    def _count(passes: Tensor, rows: Tensor | None) -> None:
        if rows is None:
            passes += 1
        else:
            passes[rows] += 1
