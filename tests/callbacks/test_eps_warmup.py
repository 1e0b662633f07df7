"""The eps of adversarial training, step by step, against its closed form."""

from dataclasses import dataclass, replace
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hardlight.attacks import FGSM, PGD
from hardlight.callbacks import EpsWarmup, at_share
from hardlight.classifier import Classifier
from hardlight.cli import main
from hardlight.defenses import (
    AdversarialTraining,
    DefendedNet,
    Defense,
    DefenseStack,
    GaussianAugmentation,
    LabelSmoothing,
    VirtualAdversarialTraining,
)

AT = AdversarialTraining(attack=FGSM(eps=0.3))
VAT = VirtualAdversarialTraining(eps=2.0)


@dataclass(frozen=True)
class Seen(Defense):
    """Notes the eps with which each step is hardened, and the classifier's defenses outside of training."""

    eps: float
    log: list

    def harden(self, loss, model, x, target):
        self.log.append(self.eps)
        return loss


class Outside(pl.Callback):
    def __init__(self):
        self.stacks = []

    def on_validation_batch_start(self, trainer, pl_module, *_):
        self.stacks.append(pl_module.model.defenses)


def trained(epochs, ckpt=None, saved=None, **options):
    log, outside = [], Outside()
    stack = DefenseStack((Seen(0.8, log), LabelSmoothing()))
    data = TensorDataset(torch.rand(20, 1, 2, 2), torch.arange(20) % 2, torch.arange(20))
    net = DefendedNet(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), stack)
    optimizer = partial(torch.optim.SGD, lr=0.1)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        callbacks=[EpsWarmup(epochs), outside],
        **{"max_epochs": 3, **options},
    )
    loader = DataLoader(data, batch_size=4)
    trainer.fit(Classifier(net, 2, optimizer=optimizer), loader, loader, ckpt_path=ckpt, weights_only=True)
    if saved:
        trainer.save_checkpoint(saved)
    assert net.defenses is stack
    assert outside.stacks
    assert all(each is stack for each in outside.stacks)
    return log


def closed_form(n, steps):
    return [0.8 * min(1, (step + 1) / n) for step in range(steps)]


@pytest.mark.parametrize(("epochs", "n"), [(1, 5), (2, 10), (0.5, 2), (0.01, 1), (3, 15), (10, 50)])
def test_it_grows_to_the_whole_over_its_epochs(epochs, n):
    assert trained(epochs) == pytest.approx(closed_form(n, 15))


def test_validations_within_an_epoch_see_the_whole():
    assert trained(1, val_check_interval=2) == pytest.approx(closed_form(5, 15))


def test_accumulated_batches_share_the_eps_of_their_step():
    steps = closed_form(3, 9)  # 3 of 2, 2 and 1 batches in each of the 3 epochs
    assert trained(1, accumulate_grad_batches=2) == pytest.approx([steps[3 * (i // 5) + i % 5 // 2] for i in range(15)])


def test_the_batches_are_those_that_are_trained_on():
    assert trained(1, limit_train_batches=2) == pytest.approx(closed_form(2, 6))


def test_a_resumed_run_goes_on_exactly(tmp_path):
    whole = trained(2)
    begun = trained(2, max_epochs=1, saved=tmp_path / "last.ckpt")
    assert begun + trained(2, ckpt=tmp_path / "last.ckpt") == whole


def test_what_hardens_the_loss_is_scaled_and_nothing_else():
    stack = DefenseStack((GaussianAugmentation(sigma=0.3), AT, VAT, LabelSmoothing()))
    gda, at, vat, smoothing = at_share(stack, 0.25)
    assert (gda, smoothing) == (stack.defenses[0], stack.defenses[3])
    assert at == replace(AT, attack=FGSM(eps=0.075))
    assert vat == replace(VAT, eps=0.5)
    pgd = AdversarialTraining(attack=PGD(eps=0.4, steps=3, norm="l2", step_size=0.1), alpha=0.1)
    (scaled,) = at_share(DefenseStack((pgd,)), 0.5)
    assert scaled == replace(pgd, attack=replace(pgd.attack, eps=0.2))


def test_a_shrunk_attack_stays_within_its_shrunk_eps():
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.full((3, 1, 2, 2), 0.5)
    (at,) = at_share(DefenseStack((AT,)), 0.1)
    x_adv = at.attack(net, x, torch.tensor([0, 1, 0]))
    torch.testing.assert_close((x_adv - x).abs().amax((1, 2, 3)), torch.full((3,), 0.03))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("callbacks=eps_warmup", "callbacks.eps_warmup: no defense trains with an eps: choose one, such as"),
        ("callbacks=eps_warmup defense=[gda,ls]", "no defense trains with an eps"),
        ("callbacks=eps_warmup defense=[at] callbacks.eps_warmup.epochs=0", "epochs must be a number greater than 0"),
    ],
)
def test_a_wrong_setting_is_told_before_work_starts(words, sentence, empty_folder, capsys):
    assert main(["train", *words.split()]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not (empty_folder / "outputs").exists()
