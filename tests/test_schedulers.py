"""Learning rates against their closed forms, at each step of a real training, whole and resumed."""

import io
import math
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from hardlight.classifier import Classifier
from hardlight.cli import main
from hardlight.defenses import DefendedNet, DefenseStack
from hardlight.schedulers import Warmup

LR = 0.5


class Seen(pl.Callback):
    """The learning rate and first moment's decay with which each step is taken; a checkpoint after step ``stop``."""

    def __init__(self, stop=None, file=None) -> None:
        self.stop, self.file = stop, file
        self.rates: list[float] = []
        self.betas: list[float] = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])
        self.betas.append(optimizer.param_groups[0]["betas"][0])

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.stop:
            trainer.save_checkpoint(self.file)


def trained(scheduler, *, batches=5, stop=None, file=None, ckpt=None, **options):
    torch.manual_seed(0)
    n = 4 * batches
    data = TensorDataset(torch.rand(n, 1, 2, 2), torch.arange(n) % 2, torch.arange(n))
    net = DefendedNet(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), DefenseStack())
    classifier = Classifier(net, 2, optimizer=partial(torch.optim.Adam, lr=LR), scheduler=scheduler)
    seen = Seen(stop, file)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[seen],
        **{"max_epochs": 4, **options},
    )
    trainer.fit(classifier, DataLoader(data, batch_size=4), ckpt_path=ckpt, weights_only=True)
    return seen


def warmup(step, warm, total, cosine):
    if step < warm:
        return LR * (step + 1) / warm
    return LR * math.cos(math.pi / 2 * (step - warm) / (total - warm)) ** 2 if cosine else LR


def one_cycle(step, total, share=0.3, div=25.0, final=1e4):
    low, up, last = LR / div, share * total - 1, total - 1
    if step <= up:
        return low + (LR - low) * (1 - math.cos(math.pi * step / up)) / 2
    bottom = low / final
    return bottom + (LR - bottom) * (1 + math.cos(math.pi * (step - up) / (last - up))) / 2


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize(("fraction", "warm"), [(0.0, 0), (0.1, 2), (0.25, 5), (0.99, 20), (1.0, 20)])
def test_warmup_step_by_step(fraction, warm, cosine):
    seen = trained(Warmup(fraction=fraction, cosine=cosine))
    assert seen.rates == pytest.approx([warmup(step, warm, 20, cosine) for step in range(20)])


def test_one_cycle_step_by_step():
    seen = trained(partial(OneCycleLR, max_lr=LR))
    assert seen.rates == pytest.approx([one_cycle(step, 20) for step in range(20)])
    assert max(seen.rates) == pytest.approx(LR)
    assert seen.betas[5] == pytest.approx(0.85)  # the last of the 6 steps up
    assert (seen.betas[0], seen.betas[-1]) == pytest.approx((0.95, 0.95))


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"max_epochs": 2}, 10),
        ({"max_epochs": -1, "max_steps": 7}, 7),
        ({"max_epochs": 3, "max_steps": 8}, 8),
        ({"limit_train_batches": 3}, 12),
        ({"accumulate_grad_batches": 2}, 12),  # 3 of the 5 batches of each of the 4 epochs
        ({"overfit_batches": 1}, 4),
    ],
)
def test_the_steps_are_the_trainers(options, total):
    seen = trained(Warmup(fraction=0.5, cosine=True), **options)
    assert seen.rates == pytest.approx([warmup(step, round(total / 2), total, True) for step in range(total)])


@pytest.mark.parametrize("scheduler", [Warmup(fraction=0.4, cosine=True), partial(OneCycleLR, max_lr=LR)])
def test_a_resumed_course_goes_on_exactly(scheduler, tmp_path):
    whole = trained(scheduler, stop=7, file=tmp_path / "last.ckpt")
    rest = trained(scheduler, ckpt=tmp_path / "last.ckpt")
    assert len(whole.rates) == 20
    assert rest.rates == whole.rates[7:]
    assert rest.betas == whole.betas[7:]


@pytest.mark.parametrize(
    ("scheduler", "rates"),
    [
        (partial(StepLR, step_size=2, gamma=0.1), [LR, LR, LR / 10, LR / 10]),
        (partial(CosineAnnealingLR, T_max=4), [LR * math.cos(math.pi * epoch / 8) ** 2 for epoch in range(4)]),
        (None, [LR] * 4),
    ],
)
def test_the_others_act_after_an_epoch(scheduler, rates):
    assert trained(scheduler).rates == pytest.approx([rate for rate in rates for _ in range(5)])


def test_a_checkpoint_of_it_holds_numbers_alone():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    state = Warmup(fraction=0.5)(optimizer, 4).state_dict()
    assert state.pop("lr_lambdas") == [None]
    assert optimizer.param_groups[0]["lr"] == 0.5
    torch.save(state, file := io.BytesIO())
    file.seek(0)
    assert torch.load(file, weights_only=True)["base_lrs"] == [1.0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("scheduler=warmup scheduler.fraction=1.5", "scheduler: fraction must be a number from 0 to 1, got 1.5"),
        ("scheduler=warmup scheduler.cosine=half", "cosine"),
        ("scheduler=one_cycle scheduler.pct_start=1.0", "scheduler.pct_start must be a number from 0 to 0.99, got 1.0"),
        ("scheduler=one_cycle scheduler.div_factor=0", "scheduler.div_factor must be a number greater than 0, got 0"),
        ("scheduler=one_cycle scheduler.max_lr=-1", "scheduler.max_lr must be a number greater than 0, got -1"),
        ("scheduler=one_cycle scheduler.max_momentum=2", "scheduler.max_momentum must be a number from 0 to 1"),
        ("scheduler=one_cycle optimizer.lr=0", "scheduler.max_lr must be a number greater than 0"),
        ("scheduler=warmup trainer.max_epochs=-1", "scheduler needs to know the last step"),
        (
            "scheduler=one_cycle +scheduler.anneal_strategy=round",
            "scheduler.anneal_strategy must be cos, linear, got 'round'",
        ),
    ],
)
def test_a_wrong_setting_is_told_before_work_starts(words, sentence, empty_folder, capsys):
    assert main(["train", *words.split()]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not (empty_folder / "outputs").exists()
