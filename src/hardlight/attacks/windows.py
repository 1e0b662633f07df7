"""Square windows of images, one a sample and each at its own place, and the bump that Square puts into them."""

from functools import lru_cache

import torch
from torch import Tensor

Window = tuple[Tensor, Tensor, Tensor, Tensor]
"""Indices of samples, channels, rows and columns, for images (N, C, H, W)."""


def window(x: Tensor, side: int, place: Tensor) -> Window:
    """In ``x`` (N, C, H, W), of side ``side``, everywhere equally likely for a uniform ``place`` (N, 2) in [0, 1)."""
    n, channels, height, width = x.shape
    along = torch.arange(side, device=x.device)
    rows, columns = (
        (place[:, axis, None] * (size - side + 1)).long().clamp_max(size - side) + along
        for axis, size in enumerate((height, width))
    )
    return (
        torch.arange(n, device=x.device).reshape(n, 1, 1, 1),
        torch.arange(channels, device=x.device)[:, None, None],
        rows[:, None, :, None],
        columns[:, None, None],
    )


def bump(side: int, norm: str, like: Tensor) -> Tensor:
    """(side, side), of norm 1: a hill in the upper half and a valley in the lower."""
    return _bump(side, norm, like.dtype, like.device)


@lru_cache(maxsize=32)
def _bump(side: int, norm: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    upper, lower = _hill(side // 2, side), _hill(side - side // 2, side)
    both = torch.cat([upper, -lower])
    length: Tensor = torch.linalg.vector_norm(both, 1 if norm == "l1" else 2)
    return (both / length).to(device, dtype)


def _hill(height: int, width: int) -> Tensor:
    """Σ 1/k² over the squares around the middle that hold a pixel, k counting them from the inside; of l2 norm 1."""
    away = torch.maximum(
        (torch.arange(height) - height // 2).abs()[:, None], (torch.arange(width) - width // 2).abs()[None]
    )
    squares = max(height, width) // 2 + 1
    rest = (1 / torch.arange(1, squares + 1, dtype=torch.float64) ** 2).flip(0).cumsum(0).flip(0)
    hill = rest[away]
    length: Tensor = torch.linalg.vector_norm(hill)
    return hill / length if height else hill
