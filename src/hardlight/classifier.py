"""One LightningModule for every net and every defense."""

import inspect
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.nn.modules.batchnorm import _BatchNorm
from torchmetrics.classification import MulticlassAccuracy

from hardlight.attacks import Attack
from hardlight.defenses import DefendedNet
from hardlight.metrics import RobustAccuracy

Batch = tuple[Tensor, Tensor, Tensor]  # x (N, C, H, W), y (N,), index (N,)

CPU_CHUNK = 128  # images: what the caches of the CPUs measured like best


class Classifier(pl.LightningModule):
    """Trains ``model`` with its defenses' hooks; measures clean and cheap-attack accuracy on the validation part.

    ``optimizer`` and ``scheduler`` take parameters and the optimizer; a scheduler that also takes ``total_steps`` acts
    at every step, any other after every epoch. ``attack`` is what ``val/robust_accuracy`` means.
    ``config`` is written into every checkpoint. ``chunk`` is "auto" or the images of one forward pass.
    """

    def __init__(
        self,
        model: DefendedNet,
        num_classes: int,
        *,
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        scheduler: Callable[..., Any] | None = None,
        attack: Attack | None = None,
        config: dict[str, Any] | None = None,
        chunk: str | int = "auto",
    ) -> None:
        super().__init__()
        self.model = model
        self.num_classes = num_classes
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.attack = attack
        self.config = config or {}
        self.chunk = chunk
        self.total_steps: int | None = None
        self.val_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.val_robust_accuracy = RobustAccuracy()
        self.test_accuracy = MulticlassAccuracy(num_classes, average="micro")

    def setup(self, stage: str) -> None:
        if self.chunk == "auto":
            coupled = any(isinstance(module, _BatchNorm) for module in self.model.modules())
            on_cpu = self.trainer.strategy.root_device.type == "cpu"
            self.model.chunk = CPU_CHUNK if on_cpu and not coupled else None
        else:
            self.model.chunk = int(self.chunk)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y, _ = batch
        defenses = self.model.defenses
        target = defenses.soften(one_hot(y, self.num_classes).to(x.dtype))
        loss = cross_entropy(self.model(x), target)
        loss = defenses.harden(loss, self.model, x, target)
        self.log("train/loss", loss, on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y, index = batch
        logits = self.model(x)
        self.val_accuracy(logits, y)
        self.log("val/accuracy", self.val_accuracy, on_step=False, on_epoch=True)
        if self.attack is not None:
            x_adv = self.attack(self.model, x, y, index=index)
            self.val_robust_accuracy(logits.argmax(1), self.model(x_adv).argmax(1), y)
            self.log("val/robust_accuracy", self.val_robust_accuracy, on_step=False, on_epoch=True)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y, _ = batch
        logits: Tensor = self.model(x)
        self.test_accuracy(logits, y)
        self.log("test/accuracy", self.test_accuracy, on_step=False, on_epoch=True)
        return logits

    def configure_optimizers(self) -> Any:
        if self.optimizer is None:
            raise ValueError("this classifier was built without an optimizer, so it cannot be trained")
        optimizer = self.optimizer(self.parameters())
        if self.scheduler is None:
            return optimizer
        if not takes_total_steps(self.scheduler):
            return {"optimizer": optimizer, "lr_scheduler": self.scheduler(optimizer)}
        if self.total_steps is None:
            self.total_steps = max(1, int(self.trainer.estimated_stepping_batches))
        scheduler = self.scheduler(optimizer, total_steps=self.total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        from hardlight import __version__

        checkpoint["hardlight"] = {"version": __version__, "config": self.config, "total_steps": self.total_steps}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # To ask the trainer again would set its loader up before that has its place in the epoch back.
        self.total_steps = checkpoint["hardlight"].get("total_steps")


def takes_total_steps(scheduler: Callable[..., Any]) -> bool:
    """Whether a learning rate's course is drawn over the whole training, step by step."""
    return "total_steps" in inspect.signature(scheduler).parameters


def parameters(module: nn.Module) -> int:
    """How many numbers a net learns."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
