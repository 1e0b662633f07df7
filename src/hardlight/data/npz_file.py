"""One split as a NumPy ``.npz`` file, read without ever unpickling."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

from hardlight.data.image_set import ImageSet


def read(path: Path) -> ImageSet:
    """``images`` uint8 (N, H, W[, C]) or float in [0, 1], and ``labels`` int (N,).

    ValueError names the file and the fault: no such file, not readable, a key that is missing, pickled objects,
    lengths that differ, a type, pixels that are no numbers in [0, 1].
    """
    shape_of(path)
    with _readable(path), np.load(path) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8:
        # Written so that NaN, which compares as false, fails too.
        if not (images.min() >= 0 and images.max() <= 1):
            found = "NaN" if np.isnan(images.min()) else f"floats from {images.min():g} to {images.max():g}"
            raise ValueError(f"images in {path} must be uint8 or in [0, 1], got {found}")
        images = images.astype(np.float32)
    return to_image_set(images, labels, str(path))


def to_image_set(images: NDArray[Any], labels: NDArray[Any], origin: str) -> ImageSet:
    """Arrays (N, H, W[, C]) and (N,) as an image set."""
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    pixels = pixels[:, None] if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2).contiguous()
    return ImageSet(pixels, torch.from_numpy(labels.astype(np.int64)), torch.arange(len(labels)), origin)


def shape_of(path: Path) -> tuple[int, int, int]:
    """(C, H, W) from the headers alone, once these have been checked."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    with _readable(path), zipfile.ZipFile(path) as archive:
        missing = [key for key in ("images", "labels") if f"{key}.npy" not in archive.namelist()]
        if not missing:
            images, image_type = _header(archive, "images")
            labels, label_type = _header(archive, "labels")
    if missing:
        raise ValueError(f"{path} must hold arrays named images and labels, it has no {' and no '.join(missing)}")
    if image_type != np.uint8 and image_type.kind != "f":
        raise ValueError(f"images in {path} must be uint8 or float in [0, 1], got {image_type}")
    if label_type.kind not in "iu":
        raise ValueError(f"labels in {path} must be whole numbers, got {label_type}")
    if len(images) not in (3, 4) or min(images) == 0:
        raise ValueError(f"images in {path} must be (N, H, W) or (N, H, W, C), got {images}")
    if len(images) == 4 and images[1] <= 4 < images[3]:
        raise ValueError(f"images in {path} must be (N, H, W, C), with the channels last, got {images}")
    if labels != images[:1]:
        raise ValueError(f"{path} holds {images[0]} images, but labels of shape {labels}")
    height, width = images[1:3]
    return images[3] if len(images) == 4 else 1, height, width


def read_labels(path: Path) -> NDArray[Any]:
    """The labels (N,) alone of a file that ``shape_of`` has checked."""
    with _readable(path), np.load(path) as arrays:
        labels: NDArray[Any] = arrays["labels"]
    return labels


def _header(archive: zipfile.ZipFile, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(f"{key}.npy") as file:
        version = npy.read_magic(file)
        shape, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    return shape, dtype


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"{path} is not a readable npz file: {reason}") from error
