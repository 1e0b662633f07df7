"""Data sets, and a Lightning data module that serves batches of them."""

from hardlight.data.augmentation import CropAndFlip
from hardlight.data.image_files import ImageFileError, ImageFiles
from hardlight.data.image_folder import ImageFolderSource
from hardlight.data.image_set import ImageSet, Source
from hardlight.data.loader import Batch, BatchLoader
from hardlight.data.module import DataModule
from hardlight.data.npz import NpzSource
from hardlight.data.plane import PlaneSource
from hardlight.data.shipped_sample import ShippedSample
from hardlight.data.split import split
from hardlight.data.standard import StandardSource

__all__ = [
    "Batch",
    "BatchLoader",
    "CropAndFlip",
    "DataModule",
    "ImageFileError",
    "ImageFiles",
    "ImageFolderSource",
    "ImageSet",
    "NpzSource",
    "PlaneSource",
    "ShippedSample",
    "Source",
    "StandardSource",
    "split",
]
