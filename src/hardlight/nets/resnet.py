"""The small ResNet of Zantedeschi, Nicolae, Rawat (AISec 2017), with the strides and pooling of the authors' code."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from hardlight import checks
from hardlight.nets.glorot import glorot_
from hardlight.nets.sizes import remaining


class ResNet(nn.Module):
    """Two convolutions, one identity block, max pooling, dense: 353,994 parameters on MNIST; no batch norm.

    ``middle_kernel`` is the size of the block's middle convolution: 3 in the authors' code, 1 in the paper's text.
    ``activation`` is used throughout, where the authors' code kept RELU whatever was asked for. ``shape`` is
    (channels, height, width), at least 20 pixels high and wide.
    """

    def __init__(
        self,
        shape: Sequence[int],
        num_classes: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        middle_kernel: int = 3,
    ) -> None:
        super().__init__()
        height, width = remaining(shape, [(8, 2, 3), (6, 2, 0), (3, 3, 0)])
        checks.whole("num_classes", num_classes, low=2)
        checks.whole("middle_kernel", middle_kernel, low=1)
        if middle_kernel % 2 == 0:
            raise ValueError(f"middle_kernel must be odd, got {middle_kernel}")
        self.stem = nn.Sequential(
            nn.Conv2d(shape[0], 64, 8, stride=2, padding=3),
            activation(),
            nn.Conv2d(64, 128, 6, stride=2),
            activation(),
        )
        self.block = nn.Sequential(
            nn.Conv2d(128, 64, 1),
            activation(),
            nn.Conv2d(64, 64, middle_kernel, padding=middle_kernel // 2),
            activation(),
            nn.Conv2d(64, 128, 1),
        )
        self.head = nn.Sequential(
            activation(),
            nn.MaxPool2d(3),
            nn.Flatten(),
            nn.Linear(128 * height * width, num_classes),
        )
        glorot_(self)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        logits: Tensor = self.head(h + self.block(h))
        return logits
