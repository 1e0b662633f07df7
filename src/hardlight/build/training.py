"""What trains: the classifier, its callbacks and loggers, the trainer."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, ListConfig
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from hardlight import checks
from hardlight.attacks import FGSM
from hardlight.build.nodes import checked, made, sentence
from hardlight.classifier import Classifier
from hardlight.defenses import DefendedNet
from hardlight.errors import UserError

MONITORED = ("val/accuracy", "val/robust_accuracy", "train/loss")


def classifier(cfg: DictConfig, model: DefendedNet, config: dict[str, Any]) -> Classifier:
    """The net ready to be trained; ``config`` goes into its checkpoints."""
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
    """Lightning's and our callbacks, by name; each monitors what is logged, or a metric of the user's own."""
    nodes = {str(name): node for name, node in (cfg.callbacks or {}).items() if node is not None}
    if not cfg.trainer.enable_progress_bar:
        nodes.pop("progress", None)  # Lightning refuses a bar that it is told to leave out
    for name, node in nodes.items():
        if str(node.get("monitor")).startswith(("train/", "val/", "test/")):
            checked(f"callbacks.{name}.monitor", checks.one_of, node.monitor, choices=MONITORED)
        if "patience" in node:
            checked(f"callbacks.{name}.patience", checks.whole, node.patience)
    return {name: made(node, f"callbacks.{name}") for name, node in nodes.items()}


def loggers(cfg: DictConfig) -> list[Any]:
    """The loggers chosen, and the CSV in every case."""
    found = [made(node, f"logger.{name}") for name, node in (cfg.logger or {}).items() if node is not None]
    if not any(isinstance(each, CSVLogger) for each in found):
        found.insert(0, CSVLogger(cfg.paths.output, name="", version=""))
    return found


def trainer(cfg: DictConfig, found: list[pl.Callback], loggers: list[Any], **more: Any) -> pl.Trainer:
    """Lightning's Trainer."""
    built: pl.Trainer = made(cfg.trainer, "trainer", callbacks=found, logger=loggers, **more)
    return built
