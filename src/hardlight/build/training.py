"""What trains: the classifier, its callbacks and loggers, the trainer and its devices."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, ListConfig
from torch import nn

from hardlight import checks
from hardlight.attacks import FGSM
from hardlight.build.nodes import checked, made, sentence
from hardlight.classifier import Classifier
from hardlight.defenses import DefendedNet
from hardlight.errors import UserError


def classifier(cfg: DictConfig, model: DefendedNet, config: dict[str, Any]) -> Classifier:
    """The net ready to be trained; ``config`` goes into its checkpoints."""
    if cfg.chunk != "auto":
        checked("chunk", checks.whole, cfg.chunk, low=1)
    optimizer = _made_for_later(cfg.optimizer, "optimizer", [nn.Parameter(torch.zeros(1))])
    scheduler = None
    if cfg.scheduler is not None:
        for key in ("T_max", "step_size"):
            if key in cfg.scheduler:
                checked(f"scheduler.{key}", checks.whole, cfg.scheduler[key], low=1)
        scheduler = _made_for_later(cfg.scheduler, "scheduler", optimizer([nn.Parameter(torch.zeros(1))]))
    attack = FGSM(eps=cfg.data.train_eps)
    return Classifier(
        model,
        cfg.data.num_classes,
        optimizer=optimizer,
        scheduler=scheduler,
        attack=attack,
        config=config,
        chunk=cfg.chunk,
    )


def _made_for_later(node: DictConfig, where: str, trial: Any) -> Any:
    """A partial of torch's, tried once on ``trial`` so that its mistakes come out now."""
    for key, value in node.items():
        if key == "_target_":
            continue
        for number in value if isinstance(value, ListConfig) else [value]:
            if isinstance(number, str) or (isinstance(number, float) and not math.isfinite(number)):
                raise UserError(f"{where}.{key!s} must be a finite number, got {number!r}")
    partial = made(node, where)
    try:
        partial(trial)
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: {sentence(error)}") from error
    return partial


def callbacks(cfg: DictConfig) -> dict[str, pl.Callback]:
    """Lightning's and our callbacks, by name."""
    nodes = {str(name): node for name, node in (cfg.callbacks or {}).items() if node is not None}
    if not cfg.trainer.enable_progress_bar:
        nodes.pop("progress", None)  # Lightning refuses a bar that it is told to leave out
    return {name: made(node, f"callbacks.{name}") for name, node in nodes.items()}


def loggers(cfg: DictConfig) -> list[Any]:
    """The loggers chosen, the CSV always among them."""
    return [made(node, f"logger.{name}") for name, node in (cfg.logger or {}).items() if node is not None]


def check_devices(cfg: DictConfig) -> None:
    """A GPU that is asked for must be there; the other numbers a trainer takes must be numbers."""
    trainer = cfg.trainer
    if trainer.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError("trainer asks for a GPU, but torch sees none on this machine: use trainer=cpu")
    for key in ("max_epochs", "max_steps"):
        value = trainer[key]
        if value is not None and value != -1:
            checked(f"trainer.{key}", checks.whole, value)


def trainer(cfg: DictConfig, found: list[pl.Callback], loggers: list[Any], **more: Any) -> pl.Trainer:
    """Lightning's Trainer."""
    built: pl.Trainer = made(cfg.trainer, "trainer", callbacks=found, logger=loggers or False, **more)
    return built
