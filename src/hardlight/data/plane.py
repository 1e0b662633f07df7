"""Two classes of points in the plane, whose decision regions can be drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray

from hardlight import checks
from hardlight.data.image_set import ImageSet

Array = NDArray[np.float64]


def _moons(t: Array, labels: Array) -> tuple[Array, Array]:
    """The upper half of the unit circle, and its lower half moved by (1, 1/2)."""
    side = 1 - 2 * labels
    return labels + side * np.cos(pi * t), labels / 2 + side * np.sin(pi * t)


def _circles(t: Array, labels: Array) -> tuple[Array, Array]:
    """The unit circle, and one of half its radius."""
    radius = 1 - labels / 2
    return radius * np.cos(2 * pi * t), radius * np.sin(2 * pi * t)


_CURVES: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {"moons": _moons, "circles": _circles}


@dataclass(frozen=True, kw_only=True)
class PlaneSource:
    """Points uniform on the two curves of ``name``, moved by Gaussian ``noise``, as images (1, 1, 2) in [0, 1].

    The classes take turns. Both coordinates are min–max scaled by the training part, whose box the test part is
    clipped into; ``noise`` is its standard deviation before that, where the curves' radius is 1.
    """

    name: str
    n_train: int
    n_test: int
    noise: float
    seed: int

    def __post_init__(self) -> None:
        checks.one_of("name", self.name, _CURVES)
        checks.whole("n_train", self.n_train, low=3)  # of one class two, so that one can be held out
        checks.whole("n_test", self.n_test, low=2)
        checks.non_negative("noise", self.noise)
        checks.whole("seed", self.seed)

    def check(self) -> None:
        """They are always there."""

    def prepare(self) -> None:
        """Nothing to download."""

    def describe(self) -> tuple[tuple[int, int, int], int]:
        return (1, 1, 2), 2

    def read(self, part: str) -> ImageSet:
        train, _ = self._points("train")
        points, labels = self._points(part)
        low, high = train.min(0), train.max(0)
        pixels = ((points - low) / (high - low)).clip(0, 1).astype(np.float32)
        images = torch.from_numpy(pixels).reshape(-1, 1, 1, 2)
        return ImageSet(images, torch.from_numpy(labels), torch.arange(len(labels)), f"the {part} part of {self.name}")

    def _points(self, part: str) -> tuple[Array, NDArray[np.int64]]:
        n = {"train": self.n_train, "test": self.n_test}[part]
        rng = np.random.default_rng([self.seed, part == "test"])
        labels = np.arange(n) % 2
        points = np.stack(_CURVES[self.name](rng.random(n), labels.astype(float)), axis=1)
        return points + self.noise * rng.standard_normal((n, 2)), labels
