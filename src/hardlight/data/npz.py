"""The user's own arrays."""

from dataclasses import dataclass
from pathlib import Path

from hardlight import checks
from hardlight.data import npz_file
from hardlight.data.image_set import ImageSet


@dataclass(frozen=True, kw_only=True)
class NpzSource:
    """Two ``.npz`` files, each with ``images`` uint8 (N, H, W[, C]) or float in [0, 1] and ``labels`` int (N,)."""

    train: str
    test: str

    def __post_init__(self) -> None:
        checks.text("train", self.train)
        checks.text("test", self.test)

    def check(self) -> None:
        self._shape()

    def prepare(self) -> None:
        """Nothing to download."""

    def describe(self) -> tuple[tuple[int, int, int], int]:
        """The classes are counted from 0 to the highest label; ValueError where some could have no training image."""
        shape = self._shape()
        labels, others = (npz_file.read_labels(self._path(part)) for part in ("train", "test"))
        highest = max(int(labels.max()), int(others.max()))
        if not 1 <= highest < len(labels):
            raise ValueError(
                f"{self.train} holds {len(labels)} images, and the highest label is {highest}: "
                "labels must count two or more classes from 0, and every class must have images"
            )
        return shape, 1 + highest

    def read(self, part: str) -> ImageSet:
        return npz_file.read(self._path(part))

    def _shape(self) -> tuple[int, int, int]:
        shape, other = (npz_file.shape_of(self._path(part)) for part in ("train", "test"))
        if shape != other:
            raise ValueError(f"{self.test} holds images of shape {other}, but {self.train} of shape {shape}")
        return shape

    def _path(self, part: str) -> Path:
        return Path({"train": self.train, "test": self.test}[part]).expanduser()
