"""Images that stay in their files until a batch asks for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from hardlight.errors import UserError

AT_ONCE = 256  # files of one batch where a whole set is read
FEW = 1000  # files that are read sooner than another process is started


class ImageFileError(UserError, ValueError):
    """A file that is no image. Also a ``UserError``: in a streamed set it comes to light in mid-training."""


@dataclass(frozen=True)
class ImageFiles:
    """The files ``paths`` as RGB images, the shorter side resized to ``size``, the middle cut out square.

    ``workers`` processes decode ahead of what is asked for; 0 decodes in this one.
    """

    paths: Sequence[str]
    size: int
    workers: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: Tensor) -> "ImageFiles":
        """The files at the positions ``rows`` (M,), int64."""
        return replace(self, paths=[self.paths[row] for row in rows.tolist()])

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W), as of a tensor."""
        return len(self), 3, self.size, self.size

    @property
    def nbytes(self) -> int:
        """The memory that all of them would take as bytes."""
        return len(self) * 3 * self.size**2

    def pixels(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """For each of ``batches``, positions (M,), its images uint8 (M, 3, size, size).

        Raises ``ImageFileError``.
        """
        loader: DataLoader[Any] = DataLoader(
            self.paths,  # type: ignore[arg-type]  # any sequence is a data set
            batch_sampler=[rows.tolist() for rows in batches],
            num_workers=self.workers,
            collate_fn=partial(_decoded, size=self.size),
            generator=torch.Generator(),  # else it would draw from the global one
        )
        try:
            yield from map(torch.from_numpy, loader)
        except ImageFileError as error:  # from another process it comes with that one's traceback around it
            error.__traceback__ = None  # it holds the loader in a circle, and its processes would linger for seconds
            raise ImageFileError(str(error).strip().splitlines()[-1].rpartition("ImageFileError: ")[-1]) from None

    def whole(self) -> Tensor:
        """All of them, uint8 (N, 3, size, size)."""
        images = torch.empty(self.shape, dtype=torch.uint8)
        batches = torch.split(torch.arange(len(self)), AT_ONCE)
        files = self if len(self) > FEW else replace(self, workers=0)
        for rows, pixels in zip(batches, files.pixels(batches), strict=True):
            images[rows] = pixels
        return images


def _decoded(paths: Sequence[str], size: int) -> NDArray[np.uint8]:
    """As an array: tensors come back from another process through /dev/shm, which containers keep small."""
    transform = v2.Compose([v2.Resize(size), v2.CenterCrop(size), v2.PILToTensor()])
    return np.stack([transform(_rgb(path)).numpy() for path in paths])


def _rgb(path: str) -> Image.Image:
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"its pixels are not bytes, but of Pillow's mode {image.mode}")
            return image.convert("RGB")
    except Exception as error:  # whatever a broken or foreign file makes Pillow raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageFileError(f"{path} cannot be read as an image: {reason}") from error
