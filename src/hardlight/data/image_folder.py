"""The user's own folders of images."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from hardlight import checks
from hardlight.data.image_files import ImageFiles
from hardlight.data.image_set import ImageSet


@dataclass(frozen=True, kw_only=True)
class ImageFolderSource:
    """Two folders, each with a folder of images for every class; RGB, resized and cut to ``size`` × ``size``.

    A part that takes more than ``memory`` MiB is read from its files batch by batch, by ``workers`` processes.
    The classes are numbered in the order of their names, and take turns: the first image of each, then the second.
    """

    train: str
    test: str
    size: int
    memory: int
    workers: int

    def __post_init__(self) -> None:
        checks.text("train", self.train)
        checks.text("test", self.test)
        checks.whole("size", self.size, low=1)
        checks.whole("memory", self.memory)
        checks.whole("workers", self.workers)

    def check(self) -> None:
        names, others = (self._classes(part) for part in ("train", "test"))
        if names != others:
            name = min(names ^ others)
            has, lacks = (self.train, self.test) if name in names else (self.test, self.train)
            raise ValueError(f"{has} has a folder of a class {name}, but {lacks} has none")
        if len(names) == 1:
            raise ValueError(f"{self.train} must hold folders of two classes at least, it has {names.pop()} alone")

    def prepare(self) -> None:
        """Nothing to download."""

    def describe(self) -> tuple[tuple[int, int, int], int]:
        return (3, self.size, self.size), len(self._classes("train"))

    def read(self, part: str) -> ImageSet:
        folder = self._path(part)
        classes = {name: label for label, name in enumerate(sorted(self._classes(part)))}
        listed = ImageFolder.make_dataset(folder, classes, IMG_EXTENSIONS, allow_empty=True)
        seen: Counter[int] = Counter()
        turns = []
        for path, label in listed:
            turns.append((seen[label], label, path))
            seen[label] += 1
        for name, label in classes.items():
            if not seen[label]:
                raise ValueError(f"{folder / name} must hold images, it has none that end in .jpg, .png or the like")
        turns.sort()
        files = ImageFiles([path for _, _, path in turns], self.size, self.workers)
        labels = torch.tensor([label for _, label, _ in turns])
        images = files if files.nbytes > self.memory * 2**20 else files.whole()
        return ImageSet(images, labels, torch.arange(len(labels)), str(folder))

    def _classes(self, part: str) -> set[str]:
        folder = self._path(part)
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
        names = {each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")}
        if not names:
            raise ValueError(f"{folder} must hold a folder of images for every class, it has no folder")
        return names

    def _path(self, part: str) -> Path:
        return Path({"train": self.train, "test": self.test}[part]).expanduser()
