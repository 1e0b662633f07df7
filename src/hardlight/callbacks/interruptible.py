"""Signals during Lightning's loops."""

from typing import Any

import pytorch_lightning as pl

from hardlight.interruption import handle, handlers


class Interruptible(pl.Callback):
    """Keeps the program's own answer to signals.

    Lightning would put one of its own before it, which waits for the other processes in the middle of whatever they
    do, and ends them where it cannot.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._ours: dict[int, Any] = handlers()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        handle(self._ours)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        handle(self._ours)
