"""The attack of a test set inside ``trainer.test``, where something goes wrong around it."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from hardlight.callbacks import AttackEvaluation
from hardlight.classifier import Classifier
from hardlight.data import DataModule, ShippedSample
from hardlight.defenses import DefendedNet, DefenseStack
from hardlight.nets import MLP


class Fails(pl.Callback):
    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        raise KeyError("what went wrong")


def test_an_error_before_the_first_batch_is_not_hidden(tmp_path: Path) -> None:
    evaluation = AttackEvaluation({}, run="run", facts={}, folder=tmp_path)
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="cpu", devices=1, callbacks=[Fails(), evaluation], **quiet)
    data = DataModule(ShippedSample(name="mnist"), (1, 28, 28), 10, n_test=20)
    with pytest.raises(KeyError, match="what went wrong"):
        trainer.test(Classifier(DefendedNet(MLP((1, 28, 28), 10), DefenseStack()), 10), datamodule=data)
