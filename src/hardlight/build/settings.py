"""The settings that no constructor of ours sees, checked before one is called."""

from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig

from hardlight import checks
from hardlight.build.nodes import checked
from hardlight.errors import UserError

SEED_HIGH = 2**32 - 1  # numpy's

OF_THE_DATA: dict[str, Any] = {
    "name": checks.text,
    "train_eps": checks.positive,
    "sigma": checks.positive,
    "bits": partial(checks.whole, low=1, high=8),
    "shape": checks.shape,
    "num_classes": partial(checks.whole, low=2),
}
CAN_WAIT = ("sigma", "bits", "shape", "num_classes")  # null where they are not known: their users ask again


def check_data(data: DictConfig) -> None:
    """What a data set says of itself, also that which this run does not use."""
    for key, check in OF_THE_DATA.items():
        if not (key in CAN_WAIT and data.get(key) is None):
            checked(f"data.{key}", check, data.get(key))
    if "vat_eps" in data:  # where the paper's is of no use
        checked("data.vat_eps", checks.positive, data.vat_eps)
    for key in ("batch_size", "eval_batch_size", "validation", "eval_eps"):
        if data.get(key) is None:
            raise UserError(f"data.{key} has no value")
    if not isinstance(data.eval_eps, DictConfig):
        raise UserError(f"data.eval_eps must hold a list for each norm, got {data.eval_eps!r}")
    for norm, grid in data.eval_eps.items():
        for eps in grid if isinstance(grid, ListConfig) else [grid]:
            checked(f"data.eval_eps.{norm!s}", checks.positive, eps)


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
    if trainer.gradient_clip_val is not None:
        checked("trainer.gradient_clip_val", checks.non_negative, trainer.gradient_clip_val)
    checked("trainer.log_every_n_steps", checks.whole, trainer.log_every_n_steps)
    checked("trainer.enable_progress_bar", checks.flag, trainer.enable_progress_bar)
