"""What a peer's attack looks like to the benchmark."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hardlight.attacks import Attack

Call = Callable[[nn.Module, Tensor, Tensor, Tensor | None], Tensor]
"""Of the net, pixels (N, C, H, W), labels (N,) and, if targeted, targets (N,): adversarial images like the pixels."""

Counterpart = Callable[[Attack], Call | None]
"""A peer's call with the settings of an attack of ours; None where it has no such setting. Its docstring says in what
it differs."""


def hardlight(attack: Attack) -> Call:
    """Each call draws other numbers, as the peers' do, from torch's seed on."""

    def call(model, x, y, target):
        index = torch.randint(2**62, (len(x),), device=x.device)
        return attack(model, x, y, index=index, y_target=target)

    return call
