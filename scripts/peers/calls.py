"""What a peer's attack looks like to the benchmark."""

from collections.abc import Callable

from torch import Tensor, nn

from hardlight.attacks import Attack

Call = Callable[[nn.Module, Tensor, Tensor, Tensor | None], Tensor]
"""Of the net, pixels (N, C, H, W), labels (N,) and, if targeted, targets (N,): adversarial images like the pixels."""

Counterpart = Callable[[Attack], Call | None]
"""A peer's call with the settings of an attack of ours; None where it has no such setting. Its docstring says in what
it differs."""


def hardlight(attack: Attack) -> Call:
    return lambda model, x, y, target: attack(model, x, y, y_target=target)
