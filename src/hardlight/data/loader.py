"""Batches of images, in an order that is known before it is drawn."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hardlight import checks
from hardlight.data.image_set import ImageSet
from hardlight.data.seeds import mix
from hardlight.tensors import pixels


class Batch(NamedTuple):
    """``x`` (N, C, H, W) float32 in [0, 1], ``y`` (N,) int64, ``index`` (N,) int64: positions in the original split."""

    x: Tensor
    y: Tensor
    index: Tensor  # type: ignore[assignment]  # a tuple has a method of this name, of no use here


class BatchLoader:
    """Training (``shuffle``): an order from (seed, epoch), of which every rank takes an equal share.

    Evaluation: the images in order, whole batches dealt to the ranks, batch b to rank b mod world_size, each image
    once; batches shrink where a rank would go without. ValueError where there are fewer images than ranks.
    Batches lie on the device that ``data`` lies on.
    """

    batch_sampler = None  # Lightning asks for it wherever there is a sampler

    def __init__(
        self, data: ImageSet, batch_size: int, *, shuffle: bool, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        checks.whole("batch_size", batch_size, low=1)
        checks.whole("seed", seed)
        if len(data) < world_size:
            raise ValueError(f"{data.origin} has {len(data)} images, fewer than there are processes ({world_size})")
        self.data = data
        self.batch_size = batch_size if shuffle else min(batch_size, len(data) // world_size)
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.position = (0, -1)
        """The epoch and the number of the batch handed out last."""
        self._start = 0

    @property
    def sampler(self) -> "BatchLoader":
        """Itself: Lightning calls ``set_epoch`` on a loader's sampler alone."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose order comes next, from its first batch on unless it is the one being resumed."""
        if epoch != self.position[0]:
            self.position = (epoch, -1)
            self._start = 0

    def state_dict(self) -> dict[str, Any]:
        """The position, for a resumed run to go on with the next batch."""
        epoch, batch = self.position
        return {"epoch": epoch, "done": batch + 1, "batches": len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """ValueError in mid-epoch if the epoch is now cut into batches differently."""
        if state["batches"] != len(self) and state["done"] != state["batches"]:
            raise ValueError(
                f"the checkpoint stands at batch {state['done']} of {state['batches']} of an epoch that now has "
                f"{len(self)}: resume it with the data, batch_size and number of devices it was made with"
            )
        self._start = state["done"]
        self.position = (state["epoch"], self._start - 1)

    def __len__(self) -> int:
        if self.shuffle:
            return -(-(len(self.data) // self.world_size) // self.batch_size)
        batches = -(-len(self.data) // self.batch_size)
        return len(range(self.rank, batches, self.world_size))

    def __iter__(self) -> Iterator[Batch]:
        # Nothing happens before the first batch is asked for: Lightning calls iter() several times.
        epoch, start, self._start = self.position[0], self._start, 0
        rows = self._rows(epoch)
        for number, images in enumerate(self.data.pixels(rows[start:]), start):
            self.position = (epoch, number)
            y, index = (part.index_select(0, rows[number]) for part in (self.data.labels, self.data.index))
            yield Batch(pixels(images), y, index)

    def _rows(self, epoch: int) -> tuple[Tensor, ...]:
        """The positions of each of this rank's batches."""
        n = len(self.data)
        if self.shuffle:
            generator = torch.Generator().manual_seed(mix("order", self.seed, epoch))
            order = torch.randperm(n, generator=generator)
            share = order[self.rank :: self.world_size][: n // self.world_size]
            return torch.split(share.to(self.data.labels.device), self.batch_size)
        batches = torch.split(torch.arange(n, device=self.data.labels.device), self.batch_size)
        return batches[self.rank :: self.world_size]
