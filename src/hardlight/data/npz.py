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
        self.describe()

    def prepare(self) -> None:
        """Nothing to download."""

    def describe(self) -> tuple[tuple[int, int, int], int]:
        shape, other = (npz_file.shape_of(self._path(part)) for part in ("train", "test"))
        if shape != other:
            raise ValueError(f"{self.test} holds images of shape {other}, but {self.train} of shape {shape}")
        return shape, 1 + max(npz_file.highest_label(self._path(part)) for part in ("train", "test"))

    def read(self, part: str) -> ImageSet:
        return npz_file.read(self._path(part))

    def _path(self, part: str) -> Path:
        return Path({"train": self.train, "test": self.test}[part]).expanduser()
