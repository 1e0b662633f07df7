"""The one place where an attack asks the model anything, so that every sample's passes are counted."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hardlight.attacks.goal import Goal
from hardlight.errors import RunFailed, UserError

Model = Callable[[Tensor], Tensor]
Watch = Callable[[int], None]
"""Told how many forward passes were made, a sample's each counting as one."""


class ModelRefused(UserError, ValueError):
    """A model that an attack, or one with its settings, has no use for."""


class GradientError(RunFailed, ValueError):
    """A gradient that is NaN or infinite."""


class Queries:
    """Asks ``model`` for logits and input gradients; counts passes for each of ``n`` samples.

    ``rows`` (indices into the n samples) says which samples a batch holds; None means all of them, in order. The logits
    must be those of ``classes`` classes at least.
    """

    def __init__(
        self, model: Model, n: int, device: torch.device, watch: Watch | None = None, classes: int = 2
    ) -> None:
        self.model = model
        self.classes = classes
        self.forward_passes = torch.zeros(n, dtype=torch.int64, device=device)
        self.backward_passes = torch.zeros(n, dtype=torch.int64, device=device)
        self._watch = watch
        self._passes = 1  # of the caller's model, for one of self.model
        self._ids: Tensor | None = None  # of this one's samples, among those that are counted

    def part(self, rows: Tensor) -> "Queries":
        """Of the samples ``rows`` alone, which it calls 0…len(rows)-1; they go on being counted here."""
        part = self._sibling()
        part._ids = rows if self._ids is None else self._ids[rows]
        return part

    def expected(self, draws: int) -> "Queries":
        """Of the mean logits over ``draws`` passes of the model, each of which is counted.

        The mean of the logits is, up to a constant, that of the log-probabilities, whose gradient is the expectation
        over transformations (Athalye, Engstrom, Ilyas, Kwok, ICML 2018).
        """
        part = self._sibling()
        part.model = lambda x: torch.stack([self.model(x) for _ in range(draws)]).mean(0)
        part._passes = self._passes * draws
        return part

    def _sibling(self) -> "Queries":
        other = object.__new__(Queries)
        other.__dict__.update(self.__dict__)
        return other

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
        trace = self.trace(x, rows)
        logits = trace.logits.requires_grad_()
        (by_logits,) = torch.autograd.grad(goal.value(logits).sum(), logits)
        return trace.gradient(by_logits), logits.detach()

    def trace(self, x: Tensor, rows: Tensor | None = None) -> "Trace":
        """One forward pass at ``x``, whose gradients can be asked for."""
        leaf = x.detach().requires_grad_()
        return Trace(self, rows, leaf, self._forward(leaf, rows))

    def _forward(self, x: Tensor, rows: Tensor | None) -> Tensor:
        self._count(self.forward_passes, rows)
        logits = self.model(x)
        if logits.dim() != 2 or len(logits) != len(x) or logits.shape[1] < self.classes:
            got = f"{tuple(logits.shape)} for {len(x)} images"
            label = f", as there is a label {self.classes - 1}" if self.classes > 2 else ""
            wanted = f"logits (N, K) of at least {self.classes} classes{label}"
            raise ModelRefused(f"the model must return {wanted}, got {got}")
        if self._watch is not None:
            self._watch(len(x) * self._passes)
        return logits

    def _count(self, passes: Tensor, rows: Tensor | None) -> None:
        if self._ids is not None:
            rows = self._ids if rows is None else self._ids[rows]
        if rows is None:
            passes += self._passes
        else:
            passes.index_add_(0, rows, torch.full_like(rows, self._passes))  # a sample may be there more than once


@dataclass(frozen=True)
class Trace:
    """A forward pass that still knows how it came about."""

    _queries: Queries
    _rows: Tensor | None
    _x: Tensor
    _output: Tensor

    @property
    def logits(self) -> Tensor:
        """(N, K), without a graph."""
        return self._output.detach()

    def gradient(self, by_logits: Tensor, *, again: bool = False) -> Tensor:
        """The gradient by the pixels, like x, of Σ by_logits·logits, for weights (N, K): one backward pass.

        ``again`` keeps what another call needs. Raises ``ValueError`` as ``Queries.gradient`` does.
        """
        self._queries._count(self._queries.backward_passes, self._rows)
        gradient = None
        if self._output.requires_grad:
            by_logits = by_logits.to(self._output.dtype)
            found = torch.autograd.grad(self._output, self._x, by_logits, retain_graph=again, allow_unused=True)
            gradient = found[0]
        if gradient is None:
            raise ModelRefused(
                "the model's logits carry no gradient to its pixels: an argmax, detach or no_grad inside?"
            )
        if (0 * gradient).sum() != 0:  # 0·inf is NaN, which differs from all; isfinite is slower
            raise GradientError(
                "the model's gradient is NaN or infinite: weights that diverged, or an overflow inside?"
            )
        return gradient
