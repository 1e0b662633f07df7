"""Makes src/hardlight/data/mnist_sample.npz: 600 training and 100 test images a class of MNIST's official splits.

    python scripts/make_mnist_sample.py FOLDER     # FOLDER/MNIST/raw holds MNIST's four files, or they are downloaded

MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges. The images of a class are drawn without
replacement with seed 0 and kept in the order, and with the index, they have in the official split.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from torchvision.datasets import MNIST

PATH = Path(__file__).parents[1] / "src" / "hardlight" / "data" / "mnist_sample.npz"


def main() -> None:
    generator = np.random.default_rng(0)
    arrays = {}
    for split, per_class in (("train", 600), ("test", 100)):
        official = MNIST(sys.argv[1], train=split == "train", download=True)
        images, labels = official.data.numpy(), official.targets.numpy()
        drawn = [generator.choice(np.flatnonzero(labels == k), per_class, replace=False) for k in range(10)]
        index = np.sort(np.concatenate(drawn))
        arrays[f"{split}_images"] = images[index]
        arrays[f"{split}_labels"] = labels[index].astype(np.uint8)
        arrays[f"{split}_index"] = index.astype(np.uint16)
    with zipfile.ZipFile(PATH, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            npy = io.BytesIO()
            np.save(npy, array)
            entry = zipfile.ZipInfo(f"{name}.npy")  # a fixed date: the same bytes on every run
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, npy.getvalue(), compresslevel=9)


if __name__ == "__main__":
    main()
