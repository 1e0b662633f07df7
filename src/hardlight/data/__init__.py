"""Data sets held whole as tensors, and a Lightning data module that serves batches of them."""

from hardlight.data.image_set import ImageSet, Source
from hardlight.data.loader import Batch, BatchLoader
from hardlight.data.mnist_sample import MnistSample
from hardlight.data.module import DataModule
from hardlight.data.npz import NpzSource
from hardlight.data.split import split
from hardlight.data.standard import StandardSource

__all__ = [
    "Batch",
    "BatchLoader",
    "DataModule",
    "ImageSet",
    "MnistSample",
    "NpzSource",
    "Source",
    "StandardSource",
    "split",
]
