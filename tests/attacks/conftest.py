from collections.abc import Callable

import pytest
import torch
from linear_oracle import Linear
from torch import Tensor, nn


@pytest.fixture
def linear() -> Callable[[Tensor], nn.Module]:
    return Linear


@pytest.fixture
def mlp() -> nn.Module:
    """A small net of 4 classes on (3, 2, 2) images, curved enough for an attack to fail on some and not on others."""
    torch.manual_seed(5)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2
    return net


@pytest.fixture
def batch(mlp: nn.Module) -> tuple[Tensor, Tensor]:
    """64 images (3, 2, 2) in the box, some pixels on its edges; every eighth label is not the net's."""
    g = torch.Generator().manual_seed(7)
    x = (1.4 * torch.rand(64, 3, 2, 2, generator=g) - 0.2).clamp(0, 1)
    with torch.no_grad():
        y = mlp(x).argmax(1)
    y[::8] = (y[::8] + 1) % 4
    return x, y
