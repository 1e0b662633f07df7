"""A run that was stopped, as its last checkpoint knows it."""

import re
from dataclasses import dataclass
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from hardlight import config
from hardlight.build.checkpoint import NETS, read_checkpoint, trusted
from hardlight.build.nodes import resolved
from hardlight.errors import UserError

TRAINING = (
    *NETS,
    "hardlight.callbacks",
    "hardlight.metrics",
    "hardlight.schedulers",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "pytorch_lightning",
    "pytorch_lightning.callbacks",
    "pytorch_lightning.loggers",
    "pytorch_lightning.strategies",
)


@dataclass(frozen=True)
class Resumption:
    """``config`` is what the run goes on with, ``kept`` the same as its checkpoints keep it; ``steps`` were taken."""

    config: DictConfig
    kept: dict[str, Any]
    steps: int


def resumption(cfg: DictConfig) -> Resumption:
    """The run of ``cfg.ckpt``: its own configuration, with what this call's command line says anew.

    The configuration is the checkpoint's, the only one that is sure to belong to the weights, and that still refers to
    this machine's paths. Raises ``UserError`` where it would run code that ``cfg.trust`` does not name.
    """
    checkpoint = read_checkpoint(cfg.ckpt)
    if "loops" not in checkpoint or "optimizer_states" not in checkpoint:
        raise UserError(f"{cfg.ckpt} holds a net's weights alone: a run goes on from the last.ckpt that training wrote")
    theirs = OmegaConf.create({**config.plain(cfg), **checkpoint["hardlight"]["config"]})
    theirs.paths.output = "${hydra:runtime.output_dir}"  # wherever the run lies now
    theirs.ckpt, theirs.trust = None, list(cfg.trust)
    planned, lengths = resolved(theirs.scheduler, "scheduler"), _lengths(theirs)
    for word in HydraConfig.get().overrides.task:
        key = re.sub(r"^[+~]*([^=@]*@)?", "", word).partition("=")[0]
        if key not in ("ckpt", "trust"):
            OmegaConf.update(theirs, key, OmegaConf.select(cfg, key), merge=False, force_add=True)
    counted = checkpoint["hardlight"].get("total_steps") is not None  # its scheduler knows the last step
    if resolved(theirs.scheduler, "scheduler") != planned or (counted and _lengths(theirs) != lengths):
        raise UserError("the learning rate's scheduler is planned for the length that the run began with: keep it")
    if checkpoint["epoch"] >= (theirs.trainer.max_epochs or 0) > 0:
        raise UserError(f"trainer.max_epochs={theirs.trainer.max_epochs}: the run has {checkpoint['epoch']} behind it")
    kept = config.plain(theirs)
    if "weights" in theirs.model:
        theirs.model.weights = None  # the checkpoint's own follow
    try:
        ours = trusted(theirs, str(cfg.ckpt), cfg.trust, TRAINING)
    except UserError as error:
        raise UserError(f"{cfg.ckpt}: {error}") from error
    return Resumption(OmegaConf.create(ours), kept, checkpoint["global_step"])


def _lengths(cfg: DictConfig) -> list[Any]:
    """What says how many steps there are."""
    keys = ("max_epochs", "max_steps", "max_time", "limit_train_batches", "accumulate_grad_batches", "overfit_batches")
    return [cfg.trainer[key] for key in keys]
