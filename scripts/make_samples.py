"""Makes src/hardlight/data/{mnist,cifar10}_sample.npz: small parts of the official splits, balanced.

    python scripts/make_samples.py FOLDER     # where MNIST and CIFAR10 lie, or are downloaded to

MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, CIFAR10 by Alex Krizhevsky. The images of a class
are drawn without replacement with seed 0 and kept in the order, and with the index, they have in the official split.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from hardlight.data import StandardSource
from hardlight.data.shipped_sample import COLUMNS

FOLDER = Path(__file__).parents[1] / "src" / "hardlight" / "data"
PER_CLASS = {"mnist": {"train": 600, "test": 100}, "cifar10": {"train": 100, "test": 20}}


def sheet(images: np.ndarray) -> bytes:
    """Images (N, C, H, W) side by side in rows of ``COLUMNS``, as one lossless WebP, the smallest form tried."""
    n, c, height, width = images.shape
    rows = images.reshape(n // COLUMNS, COLUMNS, c, height, width).transpose(0, 3, 1, 4, 2)
    pixels = rows.reshape(n // COLUMNS * height, COLUMNS * width, c)
    file = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if c == 1 else pixels)
    image.save(file, "WEBP", lossless=True, quality=100, method=6, exact=True)
    return file.getvalue()


def make(name: str, folder: str) -> None:
    source = StandardSource(name=name, folder=folder, download=True)
    source.prepare()
    generator = np.random.default_rng(0)
    arrays = {}
    for part, per_class in PER_CLASS[name].items():
        official = source.read(part)
        labels = official.labels.numpy()
        drawn = [generator.choice(np.flatnonzero(labels == k), per_class, replace=False) for k in range(10)]
        index = np.sort(np.concatenate(drawn))
        arrays[f"{part}_sheet"] = np.frombuffer(sheet(official.images.numpy()[index]), np.uint8)
        arrays[f"{part}_labels"] = labels[index].astype(np.uint8)
        arrays[f"{part}_index"] = index.astype(np.uint16)
    with zipfile.ZipFile(FOLDER / f"{name}_sample.npz", "w") as archive:
        for key, array in arrays.items():
            npy = io.BytesIO()
            np.save(npy, array)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy"), npy.getvalue())  # a fixed date: equal bytes on every run


if __name__ == "__main__":
    for name in PER_CLASS:
        make(name, sys.argv[1])
