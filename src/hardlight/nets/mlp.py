"""A fully connected net, for images and for points of the plane."""

import itertools
import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from hardlight import checks
from hardlight.nets.glorot import glorot_


class MLP(nn.Module):
    """Dense layers of ``hidden`` units each, the activation after every one of them, and a dense layer to the logits.

    The input of any ``shape`` is flattened. Without hidden layers it is a linear classifier.
    """

    def __init__(
        self,
        shape: Sequence[int],
        num_classes: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        hidden: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__()
        checks.shape("shape", shape)
        checks.whole("num_classes", num_classes, low=2)
        if not isinstance(hidden, Sequence) or isinstance(hidden, str):
            raise ValueError(f"hidden must be a list of whole numbers, such as [64, 64], got {hidden!r}")
        for units in hidden:
            checks.whole("hidden", units, low=1)
        layers: list[nn.Module] = [nn.Flatten()]
        for n_in, n_out in itertools.pairwise((math.prod(shape), *hidden)):
            layers += [nn.Linear(n_in, n_out), activation()]
        n_features = hidden[-1] if hidden else math.prod(shape)
        self.layers = nn.Sequential(*layers, nn.Linear(n_features, num_classes))
        glorot_(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits
