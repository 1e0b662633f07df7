"""The Lightning data module: one source, split, extended by the defenses, served in batches."""

from collections.abc import Sequence
from dataclasses import replace

import pytorch_lightning as pl
import torch

from hardlight import checks
from hardlight.data.augmentation import CropAndFlip
from hardlight.data.image_files import ImageFiles
from hardlight.data.image_set import ImageSet, Source
from hardlight.data.loader import Batch, BatchLoader
from hardlight.data.seeds import mix
from hardlight.data.split import check_fraction, split
from hardlight.defenses import Defense, DefenseStack
from hardlight.tensors import pixels

_UNDEFENDED = DefenseStack()
_AS_IT_IS = CropAndFlip()


class DataModule(pl.LightningDataModule):
    """``validation`` is the fraction of the training split held out; the test split is never trained or selected on.

    ``n_test`` keeps the first test images only. Training batches pass through ``augmentation`` and then
    ``defenses.augment`` on the device, with torch's global generator seeded from (seed, epoch, batch, rank): what a
    step draws is the same in a resumed run.
    """

    def __init__(
        self,
        source: Source,
        shape: Sequence[int],
        num_classes: int,
        batch_size: int = 128,
        eval_batch_size: int = 128,
        validation: float = 0.1,
        seed: int = 0,
        augmentation: CropAndFlip = _AS_IT_IS,
        defenses: DefenseStack = _UNDEFENDED,
        n_test: int | None = None,
    ) -> None:
        super().__init__()
        checks.shape("shape", shape)
        checks.whole("num_classes", num_classes, low=2)
        checks.whole("batch_size", batch_size, low=1)
        checks.whole("eval_batch_size", eval_batch_size, low=1)
        checks.whole("seed", seed)
        check_fraction(validation)
        augmentation.check(shape)
        if n_test is not None:
            checks.whole("n_test", n_test, low=1)
        self.source = source
        self.shape = tuple(shape)
        self.num_classes = num_classes
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.validation = validation
        self.seed = seed
        self.augmentation = augmentation
        self.defenses = defenses
        self.n_test = n_test
        self._sets: dict[str, ImageSet] = {}
        self._test_classes: set[int] = set()
        self._train_loader: BatchLoader | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """The number of images of each part, once ``setup`` has run."""
        return {part: len(images) for part, images in self._sets.items()}

    @property
    def test_index(self) -> torch.Tensor:
        """Which test images are served, in order: (N,) positions in the test split, once ``setup`` has run."""
        return self._sets["test"].index

    @property
    def missing_classes(self) -> list[int]:
        """The test split's classes of which ``n_test`` left no image, though there was room for one of each.

        In ascending order, once ``setup`` has run.
        """
        test = self._sets["test"]
        missing = self._test_classes - set(test.labels.tolist())
        return sorted(missing) if len(test) >= len(self._test_classes) else []

    def training_images(self) -> torch.Tensor:
        """The whole training split (M, C, H, W), as it was before any defense: float32 in [0, 1]."""
        return _pixels(self.source.read("train"))

    def prepare_data(self) -> None:
        self.source.prepare()

    def setup(self, stage: str) -> None:
        """Reads each split once; ahead of a fit the test split too, so that its faults show before the training."""
        if "test" not in self._sets:
            test = self.source.read("test")
            test.check(self.shape, self.num_classes)
            self._sets["test"] = test.select(torch.arange(len(test))[: self.n_test])
            self._test_classes = set(test.labels.tolist())
        if stage != "test" and "train" not in self._sets:
            train = self.source.read("train")
            train.check(self.shape, self.num_classes)
            train.check_every_class(self.num_classes)
            kept, held_out = split(train.labels, self.validation, self.seed)
            if not len(held_out):
                raise ValueError(f"{train.origin} must hold two images of one class at least, to hold one out")
            self._sets["validation"] = replace(train.select(held_out), origin=f"the validation part of {train.origin}")
            self._sets["train"] = self._extend(train.select(kept))

    def train_dataloader(self) -> BatchLoader:
        self._train_loader = self._loader("train", self.batch_size, shuffle=True)
        return self._train_loader

    def val_dataloader(self) -> BatchLoader:
        return self._loader("validation", self.eval_batch_size)

    def test_dataloader(self) -> BatchLoader:
        return self._loader("test", self.eval_batch_size)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Training batches augmented; ``index`` keeps the N originals', however many images come of them."""
        if self.trainer is None or self._train_loader is None or not self.trainer.training:
            return batch
        _seed(batch.x.device, mix("step", self.seed, *self._train_loader.position, self.trainer.global_rank))
        x, y = self.defenses.augment(self.augmentation(batch.x), batch.y)
        return Batch(x, y, batch.index)

    def _extend(self, train: ImageSet) -> ImageSet:
        if all(type(defense).extend is Defense.extend for defense in self.defenses):
            return train  # and stays uint8
        images, labels = self.defenses.extend(_pixels(train), train.labels)
        return replace(train, images=images, labels=labels, index=torch.arange(len(labels)))

    def _loader(self, part: str, batch_size: int, shuffle: bool = False) -> BatchLoader:
        images = self._sets[part]
        rank, world_size = 0, 1
        if self.trainer is not None:
            rank, world_size = self.trainer.global_rank, self.trainer.world_size
            images = _placed(images, self.trainer.strategy.root_device)
        return BatchLoader(images, batch_size, shuffle=shuffle, seed=self.seed, rank=rank, world_size=world_size)


def _pixels(images: ImageSet) -> torch.Tensor:
    """All of them at once, float32 in [0, 1]."""
    if isinstance(images.images, ImageFiles):
        raise ValueError(
            f"{images.origin} is read from its files batch by batch, and is needed as a whole by a defense or metric: "
            "raise source.memory, or leave that out"
        )
    return pixels(images.images)


def _placed(images: ImageSet, device: torch.device) -> ImageSet:
    """On the GPU where it takes under a quarter of its free memory; else where it is."""
    if device.type == "cuda" and images.nbytes < torch.cuda.mem_get_info(device)[0] / 4:
        return images.to(device)
    return images


def _seed(device: torch.device, seed: int) -> None:
    """The global generators of the CPU and of ``device``.

    ``torch.manual_seed`` does it for every kind of device there could be, and writes down a stack trace for each that
    is not in use: over a millisecond a step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
