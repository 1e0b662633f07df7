"""Random crops and horizontal flips of training batches, drawn for each image apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from hardlight import checks


@dataclass(frozen=True, kw_only=True)
class CropAndFlip:
    """Moves each image by up to ``crop`` pixels either way, black moving in, and with ``flip`` mirrors half of them.

    Every move is as likely as any other. Draws from torch's global generator of the images' device.
    """

    crop: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        checks.whole("crop", self.crop)
        checks.flag("flip", self.flip)

    def check(self, shape: Sequence[int]) -> None:
        """ValueError where images (C, H, W) of ``shape`` could be cropped away, or are points of the plane."""
        if self.flip and min(shape[1:]) == 1:
            raise ValueError(f"flip must be false for images of shape {tuple(shape)}, which are points")
        checks.whole("crop", self.crop, high=min(shape[1:]) - 1)

    def __call__(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in the same shape."""
        if not self.crop and not self.flip:
            return x
        n, _, height, width = x.shape
        images = torch.arange(n, device=x.device)[:, None, None]
        top, left = torch.randint(2 * self.crop + 1, (2, n, 1), device=x.device)
        rows = top + torch.arange(height, device=x.device)
        columns = left + torch.arange(width, device=x.device)
        if self.flip:
            mirrored = torch.rand(n, 1, device=x.device) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        padded = pad(x, (self.crop,) * 4)
        # torchvision's transforms make one draw for a whole batch, so every image's own pixels are gathered here.
        return padded[images, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
