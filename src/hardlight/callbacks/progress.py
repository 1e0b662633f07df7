"""What a person watches: one bar for the whole training, one for the attacks, each with its time to go."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar


def bar(console: Console | None = None, *, counts: bool = False) -> Bar:
    """A rich progress bar with its share or counts, elapsed time and time to go, that leaves no trace when done."""
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if counts else TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console or Console(),
        transient=True,
        refresh_per_second=4,
    )


@contextmanager
def working(progress: Bar, task: TaskID, work: int) -> Iterator[Callable[[int], None]]:
    """Yields what is told of the work as it is done; at the end all of ``work`` is, though it was an estimate."""
    before, done = progress.tasks[task].completed, 0

    def watch(more: int) -> None:
        nonlocal done
        done = min(done + more, work)
        progress.update(task, completed=before + done)

    yield watch
    progress.update(task, completed=before + work)


class Progress(ProgressBar):
    """A live bar on a terminal; elsewhere (a file, a pipe) a line an epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.console = Console()
        self._bar: Bar | None = None
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._enabled and self.console.is_terminal:
            self._bar = bar(self.console, counts=True)
            self._task = self._bar.add_task("training", total=_all_steps(trainer), completed=trainer.global_step)
            self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=trainer.global_step, description=self._describe(trainer))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._enabled:
            (self._bar.console if self._bar is not None else self.console).print(self._describe(trainer))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _describe(self, trainer: pl.Trainer) -> str:
        metrics = trainer.callback_metrics
        parts = [f"epoch {trainer.current_epoch + 1}" + (f"/{trainer.max_epochs}" if trainer.max_epochs != -1 else "")]
        if "train/loss" in metrics:
            parts.append(f"loss {metrics['train/loss']:.3f}")
        for key, word in (("val/accuracy", "val accuracy"), ("val/robust_accuracy", "robust")):
            if key in metrics:
                parts.append(f"{word} {100 * metrics[key]:.1f} %")
        return " · ".join(parts)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _all_steps(trainer: pl.Trainer) -> float | None:
    steps = trainer.estimated_stepping_batches
    return None if steps == float("inf") else steps
