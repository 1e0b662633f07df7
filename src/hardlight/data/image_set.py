"""Labelled images, and what a source of them offers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from hardlight.data.image_files import ImageFiles


@dataclass(frozen=True)
class ImageSet:
    """``images`` (N, C, H, W), uint8 or float32 in [0, 1], or still in their files; ``labels``, ``index`` (N,), int64.

    ``index`` is an image's position in the split it was read from, and ``origin`` says where that was.
    """

    images: Tensor | ImageFiles
    labels: Tensor
    index: Tensor
    origin: str = "the set"

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.labels) == len(self.index):
            raise ValueError(f"{self.origin} holds {len(self.images)} images, but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return tuple(self.images.shape[1:])

    @property
    def nbytes(self) -> int:
        """Memory of the whole set, in bytes."""
        return self.images.nbytes + self.labels.nbytes + self.index.nbytes

    def select(self, rows: Tensor) -> "ImageSet":
        """The images at the positions ``rows`` (M,), int64, in their order."""
        return replace(self, images=self.images[rows], labels=self.labels[rows], index=self.index[rows])

    def to(self, device: torch.device) -> "ImageSet":
        """The same set on ``device``; one that is still in its files stays there."""
        if isinstance(self.images, ImageFiles):
            return self
        images, labels, index = (tensor.to(device) for tensor in (self.images, self.labels, self.index))
        return replace(self, images=images, labels=labels, index=index)

    def pixels(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """For each of ``batches``, positions (M,) on the set's device, its images (M, C, H, W) as they are kept."""
        if isinstance(self.images, ImageFiles):
            return self.images.pixels(batches)
        # index_select is three times faster than indexing with brackets.
        return map(partial(self.images.index_select, 0), batches)

    def check(self, shape: tuple[int, ...], num_classes: int) -> None:
        """ValueError, naming the origin, where the images are not of ``shape`` or a label is out of range."""
        if self.shape != shape:
            raise ValueError(f"shape is {shape}, but {self.origin} holds images of shape {self.shape}")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= num_classes:
            wrong = low if low < 0 else high
            raise ValueError(f"labels must be from 0 to {num_classes - 1}, but {self.origin} holds a label {wrong}")

    def check_every_class(self, num_classes: int) -> None:
        """ValueError where there is a class without an image: nothing could be learned of it."""
        present = set(self.labels.tolist())
        if len(present) < num_classes:
            absent = next(k for k in range(num_classes) if k not in present)
            raise ValueError(
                f"{self.origin} must hold images of all {num_classes:,} classes, it has none of class {absent}: "
                "labels count the classes from 0"
            )


class Source(Protocol):
    """Where a data set comes from. Every method's ValueError is a sentence that says what is wrong where."""

    def check(self) -> None:
        """That the data can be had, without reading it all or downloading."""

    def prepare(self) -> None:
        """Download what is missing; in one process alone."""

    def describe(self) -> tuple[tuple[int, int, int], int]:
        """(C, H, W) and the number of classes, read cheaply."""

    def read(self, part: str) -> ImageSet:
        """The split ``train`` or ``test``, whole."""
