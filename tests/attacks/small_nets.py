"""Nets small enough to be attacked by everything, and images for them."""

import torch
from torch import Tensor, nn


class Dead(nn.Module):
    """Constant logits behind RELUs that no pixel wakes: a graph, and a gradient that is zero."""

    def __init__(self, classes: int, pixels: int) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(pixels, 4), nn.Linear(4, classes)
        with torch.no_grad():
            self.hidden.bias -= 100
            self.last.bias.copy_(-torch.arange(classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.hidden(x.flatten(1)).relu())


def small_net(kind: str, shape: tuple[int, ...], classes: int, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Of one ``kind``: linear, mlp, conv (BatchNorm and dropout in it), dead."""
    pixels = torch.Size(shape).numel()
    with torch.random.fork_rng():
        torch.manual_seed(len(kind) + classes)
        if kind == "linear":
            net: nn.Module = nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes))
        elif kind == "mlp":
            net = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 24), nn.ReLU(), nn.Linear(24, classes))
        elif kind == "conv":
            norm, last = nn.BatchNorm2d(6), nn.Linear(6 * pixels // shape[0], classes)
            norm.running_mean, norm.running_var = 0.1 * torch.randn(6), 0.5 + torch.rand(6)
            net = nn.Sequential(nn.Conv2d(shape[0], 6, 3, padding=1), norm, nn.ReLU(), nn.Dropout(), nn.Flatten(), last)
        else:
            net = Dead(classes, pixels)
    return net.to(dtype).eval()


def small_batch(
    net: nn.Module, n: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Images with some pixels on the edges of the box; every fifth label is not the net's."""
    g = torch.Generator().manual_seed(n)
    x = (1.4 * torch.rand(n, *shape, generator=g, dtype=torch.float64) - 0.2).clamp(0, 1).to(dtype)
    with torch.no_grad():
        logits = net(x)
    y = logits.argmax(1)
    y[4::5] = (y[4::5] + 1) % logits.shape[1]
    return x, y
