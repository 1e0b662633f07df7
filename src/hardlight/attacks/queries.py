"""The one place where an attack asks the model anything, so that every sample's passes are counted."""

from collections.abc import Callable

import torch
from torch import Tensor

from hardlight.attacks.goal import Goal
from hardlight.errors import RunFailed

Model = Callable[[Tensor], Tensor]


class GradientError(RunFailed, ValueError):
    """A gradient that is NaN or infinite."""


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
        with torch.no_grad():
            return self._forward(x, rows)

    def gradient(self, x: Tensor, goal: Goal, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The gradient of each sample's loss by its pixels, like ``x``, and the logits (N, K) at ``x``.

        Only the input's gradient is computed: no parameter's ``.grad`` is touched, whether or not it requires one.
        Raises ``ValueError`` if the model's output is cut off from its input, or the gradient is not finite: either
        would leave the images as they are and pass for robustness.
        """
        leaf = x.detach().requires_grad_()
        logits = self._forward(leaf, rows)
        self._count(self.backward_passes, rows)
        loss = goal.value(logits).sum()
        gradient = torch.autograd.grad(loss, leaf, allow_unused=True)[0] if loss.requires_grad else None
        if gradient is None:
            raise ValueError("the model's logits carry no gradient to its pixels: an argmax, detach or no_grad inside?")
        if not gradient.isfinite().all():
            raise GradientError(
                "the model's gradient is NaN or infinite: weights that diverged, or an overflow inside?"
            )
        return gradient, logits.detach()

    def _forward(self, x: Tensor, rows: Tensor | None) -> Tensor:
        self._count(self.forward_passes, rows)
        logits = self.model(x)
        if logits.dim() != 2 or len(logits) != len(x) or logits.shape[1] < 2:
            got = f"{tuple(logits.shape)} for {len(x)} images"
            raise ValueError(f"the model must return logits (N, K) of at least 2 classes, got {got}")
        return logits

    @staticmethod
    def _count(passes: Tensor, rows: Tensor | None) -> None:
        if rows is None:
            passes += 1
        else:
            passes[rows] += 1
