"""What trains: the classifier, its callbacks and loggers, the trainer."""

import copy
import csv
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from hardlight import checks
from hardlight.attacks import FGSM
from hardlight.build.model import defense_stack
from hardlight.build.nodes import checked, made, sentence
from hardlight.callbacks import EpsWarmup, Interruptible, WholeFile, at_share
from hardlight.classifier import Classifier, takes_total_steps
from hardlight.data import DataModule
from hardlight.defenses import DefendedNet
from hardlight.errors import UserError

OF_A_SCHEDULER: dict[str, Any] = {  # which torch takes as it comes
    "T_max": partial(checks.whole, low=1),
    "step_size": partial(checks.whole, low=1),
    "gamma": checks.positive,
    "eta_min": checks.non_negative,
    "max_lr": checks.positive,
    "pct_start": partial(checks.number, low=0, high=0.99),  # at 1 torch divides by 0
    "div_factor": checks.positive,
    "final_div_factor": checks.positive,
    "base_momentum": checks.fraction,
    "max_momentum": checks.fraction,
}
TRIAL_STEPS = 1009
MONITORED = ("val/accuracy", "val/robust_accuracy", "train/loss")


def classifier(cfg: DictConfig, model: DefendedNet, config: dict[str, Any]) -> Classifier:
    """The net ready to be trained; ``config`` goes into its checkpoints."""
    optimizer = _made_for_later(cfg.optimizer, "optimizer", [nn.Parameter(torch.zeros(1))])
    scheduler = None
    if cfg.scheduler is not None:
        for key, check in OF_A_SCHEDULER.items():
            if key in cfg.scheduler:
                checked(f"scheduler.{key}", check, cfg.scheduler[key])
        scheduler = _made_for_later(cfg.scheduler, "scheduler", optimizer([nn.Parameter(torch.zeros(1))]))
        if takes_total_steps(scheduler) and cfg.trainer.max_epochs == -1 and cfg.trainer.max_steps == -1:
            raise UserError("scheduler needs to know the last step: set trainer.max_epochs or trainer.max_steps")
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
    """What makes an optimizer or scheduler, tried once on ``trial`` so that its mistakes come out now."""
    make = made(node, where)
    try:
        make(trial, **({"total_steps": TRIAL_STEPS} if takes_total_steps(make) else {}))
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: {sentence(error)}") from error
    return make


def check_last_batch(data: DataModule, model: DefendedNet, trainer: pl.Trainer) -> None:
    """UserError where an epoch ends with a batch that the net cannot be trained on, as BatchNorm on a single value."""
    last = data.sizes["train"] // trainer.world_size % data.batch_size or data.batch_size
    if last > 1 or trainer.limit_train_batches != 1.0:
        return
    x, _ = data.defenses.augment(torch.zeros(1, *data.shape), torch.zeros(1, dtype=torch.int64))
    try:
        with torch.no_grad():
            copy.deepcopy(model).train()(x)
    except ValueError as error:
        said = f"data.batch_size={data.batch_size} leaves a last batch of one image"
        raise UserError(f"{said}, which this net cannot be trained on: {sentence(error)}") from error


def callbacks(cfg: DictConfig) -> dict[str, pl.Callback]:
    """Lightning's and our callbacks, by name; each monitors what is logged, by these or by one of the user's own."""
    nodes = {str(name): node for name, node in (cfg.callbacks or {}).items() if node is not None}
    if not cfg.trainer.enable_progress_bar:
        nodes.pop("progress", None)  # Lightning refuses a bar that it is told to leave out
    known = all(str(node.get("_target_")).startswith(("hardlight.", "pytorch_lightning.")) for node in nodes.values())
    for name, node in nodes.items():
        if known and node.get("monitor") is not None:
            checked(f"callbacks.{name}.monitor", checks.one_of, node.monitor, choices=MONITORED)
        if "patience" in node:
            checked(f"callbacks.{name}.patience", checks.whole, node.patience)
    found = {name: made(node, f"callbacks.{name}") for name, node in nodes.items()}
    for name, callback in found.items():
        if isinstance(callback, EpsWarmup):
            stack = defense_stack(cfg)
            if at_share(stack, 0.5) == stack:
                raise UserError(f"callbacks.{name}: no defense trains with an eps: choose one, such as defense=[at]")
    return found


def loggers(cfg: DictConfig, steps: int = 0) -> list[Any]:
    """The loggers chosen, and the CSV in every case; its curves go on after those of the first ``steps``."""
    found = [made(node, f"logger.{name}") for name, node in (cfg.logger or {}).items() if node is not None]
    if not any(isinstance(each, CSVLogger) for each in found):
        found.insert(0, CSVLogger(cfg.paths.output, name="", version="", flush_logs_every_n_steps=1))
    for logger in found:
        if steps and isinstance(logger, CSVLogger):
            _go_on(logger, steps)
    return found


def _go_on(logger: CSVLogger, steps: int) -> None:
    """Puts the rows of the first ``steps`` back into the file, which Lightning begins anew."""
    file = Path(logger.log_dir) / "metrics.csv"
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as lines:
            rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(lines)]
        for row in rows:
            if int(row["step"]) < steps:
                logger.experiment.log_metrics(row, int(row["step"]))
        logger.save()


def trainer(cfg: DictConfig, found: list[pl.Callback], loggers: list[Any], **more: Any) -> pl.Trainer:
    """Lightning's Trainer."""
    if cfg.trainer.plugins is None:
        more["plugins"] = [WholeFile()]
    built: pl.Trainer = made(cfg.trainer, "trainer", callbacks=[Interruptible(), *found], logger=loggers, **more)
    return built
