"""Small parts of real data sets that ship with the package."""

import io
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
import torch
from PIL import Image

from hardlight import checks
from hardlight.data.image_set import ImageSet

COLUMNS = 40  # images side by side in a sheet
_SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


@dataclass(frozen=True, kw_only=True)
class ShippedSample:
    """Images of the official splits of ``name``, as many of each class, exact to the pixel.

    ``mnist`` (LeCun, Cortes, Burges): 600 to train and 100 to test a class; ``cifar10`` (Krizhevsky): 100 and 20.
    ``index`` is each image's position in its official split. ``scripts/make_samples.py`` made the files.
    """

    name: str

    def __post_init__(self) -> None:
        checks.one_of("name", self.name, _SHAPES)

    def check(self) -> None:
        """It is always there."""

    def prepare(self) -> None:
        """Nothing to download."""

    def describe(self) -> tuple[tuple[int, int, int], int]:
        return _SHAPES[self.name], 10

    def read(self, part: str) -> ImageSet:
        with as_file(files("hardlight.data") / f"{self.name}_sample.npz") as path, np.load(path) as arrays:
            sheet, labels, index = (arrays[f"{part}_{key}"] for key in ("sheet", "labels", "index"))
        c, height, width = _SHAPES[self.name]
        with Image.open(io.BytesIO(sheet.tobytes())) as image:
            pixels = torch.from_numpy(np.array(image.convert("L" if c == 1 else "RGB")))
        rows = pixels.reshape(len(labels) // COLUMNS, height, COLUMNS, width, c)
        images = rows.permute(0, 2, 4, 1, 3).reshape(len(labels), c, height, width)
        origin = f"the {self.name} sample's {part} part"
        labels, index = (torch.from_numpy(array.astype(np.int64)) for array in (labels, index))
        return ImageSet(images, labels, index, origin)
