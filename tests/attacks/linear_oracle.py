"""Linear models, whose nearest adversarial image is known in closed form."""

import torch
from torch import Tensor, nn

DUAL = {"linf": 1.0, "l2": 2.0, "l1": float("inf")}


class Linear(nn.Module):
    """logits = W·(x - 1/2), for images of any shape."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - 0.5) @ self.weight.T


def rows_with_blocks(classes: int, pixels: int, seed: int) -> Tensor:
    """A block of ±1 pixels a class: every class is equally steep against every other, in every norm."""
    g = torch.Generator().manual_seed(seed)
    weight = torch.zeros(classes, pixels, dtype=torch.float64)
    block = pixels // classes
    for k in range(classes):
        weight[k, k * block : (k + 1) * block] = torch.randint(0, 2, (block,), generator=g).double() * 2 - 1
    return weight


def rows_opposed(pixels: int, seed: int) -> Tensor:
    """Two classes, w and -w, of any weights."""
    w = torch.randn(pixels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.stack([w, -w])


def at_distance(weight: Tensor, shape: tuple[int, ...], n: int, norm: str, radius: float) -> tuple[Tensor, Tensor]:
    """Images near grey, and labels, whose nearest wrong image is ``radius`` away in ``norm``: float64.

    For rows that are all equally steep against each other: distance = (z_y - max z_j) / dual norm of (w_y - w_j).
    """
    g = torch.Generator().manual_seed(n)
    classes = len(weight)
    y = torch.randint(0, classes, (n,), generator=g)
    x = 0.5 + 0.02 * (torch.rand(n, weight.shape[1], generator=g, dtype=torch.float64) - 0.5)
    z = (x - 0.5) @ weight.T
    z_y = z.gather(1, y[:, None]).squeeze(1)
    rival = z.scatter(1, y[:, None], -torch.inf).amax(1)
    steep = torch.linalg.vector_norm(weight[0] - weight[1], DUAL[norm])
    own = weight[y]
    gain = ((own - weight[(y + 1) % classes]) * own).sum(1)  # of the margin, for one unit of w_y
    x = x + ((radius * steep - (z_y - rival)) / gain)[:, None] * own
    assert x.min() > 0.25
    assert x.max() < 0.75
    return x.reshape(n, *shape), y
