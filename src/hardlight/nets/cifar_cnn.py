"""The CIFAR10 network of the code behind Zantedeschi, Nicolae, Rawat (AISec 2017)."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from hardlight import checks
from hardlight.nets.glorot import glorot_
from hardlight.nets.sizes import remaining


class CifarCNN(nn.Module):
    """Conv 32 and conv 64 (3×3), each pooled and dropped out, dense 500, dense: 1,592,902 parameters on CIFAR10.

    ``padding`` of the second convolution is ``valid``, or ``same`` (2,072,902) as in the authors' older models.
    ``shape`` is (channels, height, width).
    """

    def __init__(
        self,
        shape: Sequence[int],
        num_classes: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        padding: str = "valid",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        checks.whole("num_classes", num_classes, low=2)
        checks.one_of("padding", padding, ("valid", "same"))
        checks.fraction("dropout", dropout)
        height, width = remaining(shape, [(3, 1, 1), (2, 2, 0), (3, 1, int(padding == "same")), (2, 2, 0)])
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], 32, 3, padding=1),
            activation(),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            nn.Conv2d(32, 64, 3, padding=padding),
            activation(),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(64 * height * width, 500),
            activation(),
            nn.Dropout(dropout),
            nn.Linear(500, num_classes),
        )
        glorot_(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits
