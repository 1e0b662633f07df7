"""The settings that no constructor of ours sees, checked before one is called."""

import torch
from omegaconf import DictConfig

from hardlight import checks
from hardlight.build.nodes import checked
from hardlight.errors import UserError

SEED_HIGH = 2**32 - 1  # numpy's


def check_settings(cfg: DictConfig) -> None:
    """The seed, the top level's numbers, the trainer's. A GPU that is asked for must be there."""
    checked("seed", checks.whole, cfg.seed, high=SEED_HIGH)
    checked("evaluation.gallery", checks.whole, cfg.evaluation.gallery)
    if cfg.chunk != "auto":
        checked("chunk", checks.whole, cfg.chunk, low=1)
    trainer = cfg.trainer
    if trainer.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError("trainer asks for a GPU, but torch sees none on this machine: use trainer=cpu")
    if trainer.max_epochs is None and trainer.max_steps == -1:
        raise UserError("trainer.max_epochs must be a number where trainer.max_steps is -1, got None")
    for key in ("max_epochs", "max_steps"):
        if trainer[key] not in (None, -1):
            checked(f"trainer.{key}", checks.whole, trainer[key])
    for key in ("limit_train_batches", "limit_val_batches", "limit_test_batches"):
        if trainer[key] is not None:
            checked(f"trainer.{key}", checks.number, trainer[key], low=0)
    for key in ("check_val_every_n_epoch", "accumulate_grad_batches"):
        if trainer[key] is not None:
            checked(f"trainer.{key}", checks.whole, trainer[key], low=1)
    checked("trainer.log_every_n_steps", checks.whole, trainer.log_every_n_steps)
    checked("trainer.enable_progress_bar", checks.flag, trainer.enable_progress_bar)
