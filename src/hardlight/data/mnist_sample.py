"""A small real MNIST that ships with the package."""

from dataclasses import replace
from importlib.resources import as_file, files

import numpy as np
import torch

from hardlight.data.image_set import ImageSet
from hardlight.data.npz_file import to_image_set


class MnistSample:
    """600 training and 100 test images a class, drawn from MNIST's official splits (LeCun, Cortes, Burges).

    ``index`` is each image's position in its official split. ``scripts/make_mnist_sample.py`` made the file.
    """

    def check(self) -> None:
        """It is always there."""

    def prepare(self) -> None:
        """Nothing to download."""

    def describe(self) -> tuple[tuple[int, int, int], int]:
        return (1, 28, 28), 10

    def read(self, part: str) -> ImageSet:
        with as_file(files("hardlight.data") / "mnist_sample.npz") as path, np.load(path) as arrays:
            images, labels, index = (arrays[f"{part}_{key}"] for key in ("images", "labels", "index"))
        sample = to_image_set(images, labels, f"the MNIST sample's {part} part")
        return replace(sample, index=torch.from_numpy(index.astype(np.int64)))
