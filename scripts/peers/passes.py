"""Counts the passes through a net, whoever asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass
class Passes:
    """Of images, one by one: a batch of 100 is 100 passes."""

    forward: int = 0
    backward: int = 0


@contextmanager
def counted(model: nn.Module) -> Iterator[Passes]:
    passes = Passes()

    def count(_: nn.Module, given: tuple[Tensor, ...], logits: Tensor) -> None:
        passes.forward += len(given[0])
        if logits.requires_grad:
            logits.register_hook(backward)

    def backward(gradient: Tensor) -> None:
        passes.backward += len(gradient)

    hook = model.register_forward_hook(count)
    try:
        yield passes
    finally:
        hook.remove()
