"""Adversarial training that begins gently."""

import math
from dataclasses import fields, replace
from typing import Any, TypeVar

import pytorch_lightning as pl

from hardlight import checks
from hardlight.attacks import Attack
from hardlight.defenses import Defense, DefenseStack

Settings = TypeVar("Settings", Attack, Defense)


class EpsWarmup(pl.Callback):
    """eps grows linearly: of the first n steps, the k-th trains at k/n of it; n are those of ``epochs``.

    It is the eps of every defense that hardens the loss, or of the attack inside it (``at``, ``vat``), in training
    alone. A function of the step and nothing else, so that a resumed run goes on exactly.
    """

    def __init__(self, epochs: float = 1.0) -> None:
        checks.positive("epochs", epochs)
        self.epochs = epochs

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._full: DefenseStack = pl_module.model.defenses
        an_epoch = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
        share = (trainer.global_step + 1) / max(1, round(self.epochs * an_epoch))
        if share < 1:
            pl_module.model.defenses = at_share(self._full, share)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        pl_module.model.defenses = self._full


def at_share(stack: DefenseStack, share: float) -> DefenseStack:
    """The same defenses, those that harden the loss with ``share`` of their eps; no change where none has one."""
    return DefenseStack(tuple(_scaled(each, share) if _hardens(each) else each for each in stack))


def _hardens(defense: Defense) -> bool:
    return type(defense).harden is not Defense.harden


def _scaled(settings: Settings, share: float) -> Settings:
    changes: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name == "eps":
            changes["eps"] = share * value
        elif isinstance(value, Attack):
            changes[field.name] = _scaled(value, share)
    return replace(settings, **changes)
