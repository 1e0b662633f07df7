"""Seconds per training epoch, logged beside the losses."""

import time
from typing import Any

import pytorch_lightning as pl


class EpochTime(pl.Callback):
    """Logs ``train/epoch_seconds``: from the first batch of an epoch to its last, validation left out.

    Of an epoch that was resumed, what its parts took.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._resumed = 0.0
        self._validation = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start = time.perf_counter() - self._resumed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start = time.perf_counter()
        self._validation = 0.0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validation_start = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._validation += time.perf_counter() - self._validation_start

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.log("train/epoch_seconds", self._seconds())

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._resumed = state_dict["seconds"]

    def _seconds(self) -> float:
        return time.perf_counter() - self._start - self._validation
