"""MNIST, Fashion-MNIST and CIFAR10, from arrays prepared beforehand or through torchvision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torchvision import datasets

from hardlight import checks
from hardlight.data import npz_file
from hardlight.data.image_set import ImageSet

_IDX_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_CIFAR10_FILES = ("batches.meta", *(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


class Known(NamedTuple):
    """A data set, and the files by which torchvision knows it."""

    reader: Any
    files: tuple[str, ...]
    shape: tuple[int, int, int]
    num_classes: int


def _idx(reader: Any) -> Known:
    """A set of gray images in MNIST's own format."""
    return Known(reader, tuple(f"{reader.__name__}/raw/{file}-ubyte" for file in _IDX_FILES), (1, 28, 28), 10)


_KNOWN = {
    "mnist": _idx(datasets.MNIST),
    "fashion_mnist": _idx(datasets.FashionMNIST),
    "cifar10": Known(
        datasets.CIFAR10, tuple(f"cifar-10-batches-py/{file}" for file in _CIFAR10_FILES), (3, 32, 32), 10
    ),
}


@dataclass(frozen=True, kw_only=True)
class StandardSource:
    """The set ``name`` in ``folder``: ``<name>/train.npz`` and ``test.npz``, or else as torchvision keeps it.

    ``download`` fetches what is missing into ``folder``.
    """

    name: str
    folder: str
    download: bool = False

    def __post_init__(self) -> None:
        checks.one_of("name", self.name, _KNOWN)
        checks.text("folder", self.folder)
        checks.flag("download", self.download)

    def check(self) -> None:
        if self._is_prepared():
            for part in ("train", "test"):
                npz_file.shape_of(self._prepared(part))
        elif not self._is_there() and not self.download:
            raise ValueError(f"{self._absence()}; or let data.source.download=true fetch it")

    def prepare(self) -> None:
        if self._is_there():
            return
        try:
            self._known.reader(self._folder, download=True)
        except (RuntimeError, OSError) as error:
            raise ValueError(f"{self._absence()}; the download failed: {' '.join(str(error).split())}") from error

    def describe(self) -> tuple[tuple[int, int, int], int]:
        return self._known.shape, self._known.num_classes

    def read(self, part: str) -> ImageSet:
        if self._is_prepared():
            return npz_file.read(self._prepared(part))
        try:
            official = self._known.reader(self._folder, train=part == "train")
        except (RuntimeError, OSError, ValueError, TypeError, AssertionError, KeyError, EOFError) as error:
            # torchvision looks whether the files are there, and not until now what is in them.
            reason = " ".join(str(error).split()) or type(error).__name__
            damaged = (self._folder / self._known.files[0]).parent
            raise ValueError(
                f"{self.name}'s {part} split in {self._folder} cannot be read ({reason}): remove {damaged}, and with "
                "data.source.download=true it will be fetched anew"
            ) from error
        return npz_file.to_image_set(
            np.asarray(official.data), np.asarray(official.targets), f"{self.name}'s {part} split in {self._folder}"
        )

    @property
    def _known(self) -> Known:
        return _KNOWN[self.name]

    @property
    def _folder(self) -> Path:
        return Path(self.folder).expanduser().absolute()

    def _prepared(self, part: str) -> Path:
        return self._folder / self.name / f"{part}.npz"

    def _is_there(self) -> bool:
        return self._is_prepared() or all((self._folder / file).is_file() for file in self._known.files)

    def _is_prepared(self) -> bool:
        return all(self._prepared(part).is_file() for part in ("train", "test"))

    def _absence(self) -> str:
        return (
            f"{self.name} is not in {self._folder}, neither as {self.name}/train.npz and test.npz nor as "
            f"{self._known.files[0]} and the like: set paths.data=FOLDER or HARDLIGHT_DATA to where it is"
        )
