"""``last.ckpt``, from which a run goes on as if it had never stopped."""

import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, Timer

from hardlight import checks
from hardlight.interruption import SIGNALS, Interrupted, handle, handlers

MINUTE = 60.0


class LastCheckpoint(Checkpoint):
    """Saves ``last.ckpt`` in ``folder`` at the end of every epoch, and within one every ``save_every`` steps.

    Without ``save_every``, every minute. Told to stop (SIGINT, SIGTERM) it saves after the step or validation under
    way, then raises ``Interrupted``. It saves only where nothing is half done: no gradients wait for more of them, no
    validation is due. ``folder`` may have moved since the checkpoint that is resumed was written.
    """

    def __init__(self, folder: str | Path, save_every: int | None = None) -> None:
        if save_every is not None:
            checks.whole("save_every", save_every, low=1)
        self.folder = Path(folder).resolve()
        self.save_every = save_every
        self._max_steps: int | None = None
        self._told: int | None = None  # the signal
        self._stopping = False  # all processes agree on it

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._max_steps is not None:
            trainer.fit_loop.epoch_loop.max_steps = self._max_steps
        self._saved = time.monotonic()
        self._before = handlers()
        handle(dict.fromkeys(SIGNALS, self._tell))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_saved()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._stop_if_saved()  # by now the step that was saved has been logged too

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if _is_whole(trainer, batch_idx) and trainer.strategy.reduce_boolean_decision(self._is_due(trainer), all=False):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        handle(self._before)
        self._stop_if_saved()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        timed = any(isinstance(each, Timer) for each in _callbacks(trainer))  # it may be given more time
        checkpoint["should_stop"] = trainer.should_stop and not timed

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        trainer.should_stop = checkpoint["should_stop"]
        # Lightning takes a run with max_steps for one that stopped within an epoch, and trains an epoch too few.
        self._max_steps, trainer.fit_loop.epoch_loop.max_steps = trainer.max_steps, -1
        before = checkpoint["callbacks"][self.state_key]["folder"]
        checkpoint["callbacks"] = _moved(checkpoint["callbacks"], before, str(self.folder))

    def state_dict(self) -> dict[str, Any]:
        return {"folder": str(self.folder)}

    def _tell(self, signum: int, frame: Any) -> None:
        self._told = signum
        handle(self._before)  # to be told again ends it at once
        print("stopping after this step; once more stops at once", file=sys.stderr)

    def _is_due(self, trainer: pl.Trainer) -> bool:
        if self.save_every is None:
            due = time.monotonic() - self._saved >= MINUTE
        else:
            due = trainer.global_step % self.save_every == 0
        return due or self._told is not None

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.folder / "last.ckpt")
        self._saved = time.monotonic()
        self._stopping = trainer.strategy.reduce_boolean_decision(self._told is not None, all=False)

    def _stop_if_saved(self) -> None:
        if self._stopping:
            raise Interrupted(self._told or signal.SIGTERM)


def _callbacks(trainer: pl.Trainer) -> list[pl.Callback]:
    return trainer.callbacks  # type: ignore[attr-defined,no-any-return]  # set where mypy does not see it


def _is_whole(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Lightning resumes a run after this step as it would have gone on: it skips a validation that is due."""
    steps = trainer.fit_loop.total_batch_idx if trainer.check_val_every_n_epoch is None else batch_idx
    validates = (steps + 1) % (trainer.val_check_batch or math.inf) == 0
    accumulates = (batch_idx + 1) % trainer.accumulate_grad_batches != 0
    return not (trainer.is_last_batch or validates or accumulates)


def _moved(state: Any, before: str, now: str) -> Any:
    """``state`` with the paths in or below the folder ``before`` in ``now`` instead."""
    if isinstance(state, dict):
        return {_moved(key, before, now): _moved(value, before, now) for key, value in state.items()}
    if isinstance(state, str) and (state == before or state.startswith(before + os.sep)):
        return now + state[len(before) :]
    return state
