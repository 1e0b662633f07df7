"""The attack of a test set inside ``trainer.test``, where something goes wrong around it."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from hardlight.callbacks import AttackEvaluation
from hardlight.classifier import Classifier
from hardlight.data import DataModule, ShippedSample
from hardlight.defenses import DefendedNet, DefenseStack
from hardlight.errors import RunFailed
from hardlight.nets import MLP


class Fails(pl.Callback):
    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        raise KeyError("what went wrong")


def run_tested(model: nn.Module, *callbacks: pl.Callback) -> None:
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="cpu", devices=1, callbacks=list(callbacks), **quiet)
    data = DataModule(ShippedSample(name="mnist"), (1, 28, 28), 10, n_test=20)
    trainer.test(Classifier(DefendedNet(model, DefenseStack()), 10), datamodule=data)


def test_an_error_before_the_first_batch_is_not_hidden(tmp_path: Path) -> None:
    evaluation = AttackEvaluation({}, run="run", facts={}, folder=tmp_path)
    with pytest.raises(KeyError, match="what went wrong"):
        run_tested(MLP((1, 28, 28), 10), Fails(), evaluation)


def test_logits_that_are_no_numbers_are_no_predictions(tmp_path: Path) -> None:
    model = MLP((1, 28, 28), 10)
    nn.init.constant_(next(model.parameters()), torch.nan)
    evaluation = AttackEvaluation({}, run="run", facts={}, folder=tmp_path)
    with pytest.raises(RunFailed, match="the net's logits of test images are NaN"):
        run_tested(model, evaluation)
    assert not list(tmp_path.iterdir())
