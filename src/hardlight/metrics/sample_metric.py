"""What a metric of single samples is: columns measured on batches, and numbers that summarise the columns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor
from torchmetrics import Metric

from hardlight.statistics import Estimate


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """A batch, and what an attack made of it.

    ``x`` and ``x_adv`` (N, C, H, W) in [0, 1], ``y`` and ``index`` (N,) int, ``logits`` and ``logits_adv`` (N, K) are
    what ``model`` gives for them. ``label`` is what the attack moved away from: the ``true`` label or the one that
    was ``predicted`` on the clean image. The clean batch itself has attack "none".
    """

    model: Callable[[Tensor], Tensor]
    x: Tensor
    y: Tensor
    index: Tensor
    logits: Tensor
    x_adv: Tensor
    logits_adv: Tensor
    attack: str = "none"
    label: str = "true"

    @property
    def wrong(self) -> Tensor:
        """Which samples are broken without an attack: bool (N,). None where ``label`` is the predicted one."""
        return self.logits.argmax(1) != self._reference

    @property
    def fooled(self) -> Tensor:
        """Which samples the attack turned, from right to wrong or from the predicted class to another: bool (N,)."""
        return ~self.wrong & (self.logits_adv.argmax(1) != self._reference)

    @property
    def _reference(self) -> Tensor:
        return self.y if self.label == "true" else self.logits.argmax(1)

    def clean(self) -> Self:
        """The batch before the attack."""
        return replace(self, x_adv=self.x, logits_adv=self.logits, attack="none", label="true")

    def select(self, rows: Tensor) -> Self:
        """The samples at ``rows`` (M,), int or bool."""
        parts = ("x", "y", "index", "logits", "x_adv", "logits_adv")
        return replace(self, **{part: getattr(self, part)[rows] for part in parts})

    def only(self, where: Tensor) -> Self:
        """As if the attack had left all samples as they are but those in ``where``, bool (N,)."""
        x_adv = torch.where(where[:, None, None, None], self.x_adv, self.x)
        return replace(self, x_adv=x_adv, logits_adv=torch.where(where[:, None], self.logits_adv, self.logits))


class SampleMetric(Metric, ABC):
    """A metric that summarises values measured sample by sample.

    ``per_sample`` and ``summary`` are all of it. ``update`` and ``compute`` are the same for a loop of one's own: over
    batches of one attack, whose clean images are measured too, they give equal numbers on any number of processes.
    """

    on: ClassVar[frozenset[str]]
    """The batches it measures: "clean", "attacked" (at each eps) and "minimal" (what a minimal-norm attack found)."""
    columns: ClassVar[tuple[str, ...]]
    needs_train: ClassVar[bool] = False

    is_differentiable = False
    full_state_update = False
    clean_rows: list[Tensor]
    attacked_rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.attack = "none"
        self.add_state("clean_rows", [], dist_reduce_fx="cat")
        self.add_state("attacked_rows", [], dist_reduce_fx="cat")

    def prepare(self, train: Tensor) -> None:
        """Take the training images (M, C, H, W), float in [0, 1] or uint8, if it ``needs_train``."""

    @abstractmethod
    def per_sample(self, batch: Attacked) -> dict[str, Tensor]:
        """A value for each sample in each of ``columns``: (N,) float64, NaN where a sample has none."""

    @abstractmethod
    def summary(self, values: Mapping[str, Tensor], clean: Mapping[str, Tensor] | None = None) -> dict[str, Estimate]:
        """Named numbers from the columns of all samples of one attack (and eps).

        ``clean`` holds the columns of the clean images, empty where the metric does not measure them; it is None where
        ``values`` are themselves those of the clean images.
        """

    def update(self, batch: Attacked) -> None:
        if batch.attack != "none":
            if self.attack not in ("none", batch.attack):
                told = f"it has seen {self.attack}, got {batch.attack}"
                raise ValueError(f"a metric object measures one attack, {told}; clone it before its first update")
            self.attack = batch.attack
            if self.on & {"attacked", "minimal"}:
                self.attacked_rows.append(self._rows(batch))
        if "clean" in self.on:
            self.clean_rows.append(self._rows(batch.clean()))

    def compute(self) -> dict[str, Tensor]:
        """The numbers of ``summary``, named with the attack they belong to: ``rho[minimal_fgsm]``."""
        clean, attacked = self._columns(self.clean_rows), self._columns(self.attacked_rows)
        found: dict[str, Estimate] = {}
        if clean:
            found |= {f"{name}[none]": estimate for name, estimate in self.summary(clean).items()}
        if attacked:
            found |= {f"{name}[{self.attack}]": estimate for name, estimate in self.summary(attacked, clean).items()}
        return {name: torch.tensor(estimate.value, dtype=torch.float64) for name, estimate in found.items()}

    def reset(self) -> None:
        super().reset()
        self.attack = "none"

    def _rows(self, batch: Attacked) -> Tensor:
        measured = self.per_sample(batch)
        return torch.stack([measured[column] for column in self.columns], dim=1)

    def _columns(self, rows: list[Tensor] | Tensor) -> dict[str, Tensor]:
        """Of a list before the processes are synchronised, of a tensor after it; none of no rows."""
        table = torch.cat(rows) if isinstance(rows, list) and rows else rows
        return dict(zip(self.columns, table.T, strict=True)) if isinstance(table, Tensor) and len(table) else {}
