"""The end of a training whose loss has become NaN or infinite."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from hardlight.errors import RunFailed


class FiniteLoss(pl.Callback):
    """Raises ``RunFailed`` with the step and the likely cause; weights that are not finite are never saved.

    The loss is watched on its device and looked at every ``log_every_n_steps``, when Lightning logs it, so that no
    step waits for it; weights are looked at before the training and whenever they are about to be saved.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not _finite(pl_module.state_dict()):
            raise RunFailed(
                "the net's weights hold NaN or infinite numbers before the training: see where they are from"
            )
        self._step = torch.tensor(-1, device=pl_module.device)  # at which the loss was first not finite
        self._saved: int | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        fine = outputs["loss"].isfinite() | (self._step >= 0)
        self._step = torch.where(fine, self._step, trainer.global_step)
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set where mypy does not see it
        due = every and (batch_idx + 1) % every == 0
        if due or trainer.is_last_batch:
            step = int(self._step)
            if trainer.strategy.reduce_boolean_decision(step >= 0, all=False):
                raise RunFailed(f"the loss is not finite at step {step}: {self._why(trainer, step)}")

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if not _finite(checkpoint["state_dict"]):
            step = trainer.global_step
            raise RunFailed(f"the weights are not finite after step {step}: {self._why(trainer, step)}")
        self._saved = trainer.global_step

    def _why(self, trainer: pl.Trainer, step: int) -> str:
        """The likely cause, and what is left."""
        kept = "no checkpoint had been saved yet"
        if self._saved is not None:
            kept = f"the checkpoints up to step {self._saved} are kept"
        if str(trainer.precision).startswith("16"):
            return f"16-bit numbers end at 65504; try trainer.precision=bf16-mixed or 32-true; {kept}"
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        if step <= 1:
            return f"so early it is a number of the net's or a defense's, or the learning rate, {lr:g}; {kept}"
        return f"the learning rate, {lr:g}, is likely too large: try a tenth, or trainer.gradient_clip_val=1; {kept}"


def _finite(state: Mapping[str, Any]) -> bool:
    weights = [value for value in state.values() if isinstance(value, Tensor) and value.is_floating_point()]
    return bool(torch.stack([value.isfinite().all() for value in weights]).all()) if weights else True
