"""What training costs: our step against a bare loop, GDA against plain training, the data path against DataLoader.

    .venv/bin/python scripts/bench_training.py [--quick] [--out results/bench_training.csv]

One thread; the ways of a measure take turns (A B A B …) in one run. Each turn counts the CPU-seconds of this process,
which other work on the machine disturbs less than wall time. A speed is the median over the turns, a ratio is the
ratio of two medians, with its 95 % bootstrap interval over the rounds. Start-up and the first steps do not count.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it

import argparse
import io
import itertools
import logging
import tempfile
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from benchmark import Clock, Comparison, Way, conclude, show, take_turns
from hydra import compose, initialize_config_dir
from PIL import Image
from rich.console import Console
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import ToTensor

from hardlight import config
from hardlight.build import training
from hardlight.build.data import datamodule
from hardlight.build.evaluation import attack_grids
from hardlight.build.model import defended_net, defense_stack
from hardlight.build.nodes import made
from hardlight.callbacks import AttackEvaluation
from hardlight.data import BatchLoader, ImageSet, ShippedSample

WARM_UP = 3  # steps before the clock starts
BATCH = 128


class Timed(pl.Callback):
    """Times the ``steps`` batches of a fit that follow its first ``WARM_UP``, all that Lightning does included."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == WARM_UP:
            self.clock = Clock()
        if trainer.global_step == WARM_UP + self.steps:
            self.seconds = self.clock.read()


@dataclass(frozen=True)
class Tiled(ShippedSample):
    """The shipped sample, its training part ten times over: as large as MNIST."""

    def read(self, part: str) -> ImageSet:
        return tiled(super().read(part)) if part == "train" else super().read(part)


def tiled(images: ImageSet) -> ImageSet:
    return images.select(torch.arange(len(images)).repeat(10))


def fit(steps: int, overrides: Iterable[str] = (), terminal: bool = False) -> tuple[float, float]:
    """``hardlight train``'s fit with the shipped conf; ``terminal`` shows the live progress bar, to nobody."""
    with tempfile.TemporaryDirectory() as folder:
        with initialize_config_dir(str(config.conf_folder()), version_base=None):
            own = [f"paths.output={folder}", f"trainer.max_steps={WARM_UP + steps}", "trainer.max_epochs=-1"]
            cfg = compose("train", [*overrides, *own])
        stack = defense_stack(cfg)
        pl.seed_everything(cfg.seed, workers=True, verbose=False)
        classifier = training.classifier(cfg, defended_net(cfg, stack), config.plain(cfg))
        data = datamodule(cfg, Tiled(name="mnist"), stack)
        callbacks = training.callbacks(cfg)
        callbacks["progress"].console = Console(file=io.StringIO(), force_terminal=terminal)
        evaluation = AttackEvaluation(attack_grids(cfg), run="bench", facts={}, folder=folder)
        timed = Timed(steps)
        trainer = training.trainer(cfg, [*callbacks.values(), evaluation, timed], training.loggers(cfg))
        trainer.fit(classifier, datamodule=data, weights_only=True)
    return timed.seconds


def bare_loop(steps: int) -> tuple[float, float]:
    """The same net, Adam and batches in the shortest loop there is."""
    with initialize_config_dir(str(config.conf_folder()), version_base=None):
        cfg = compose("train")
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    net = made(cfg.model, "model")
    optimizer = torch.optim.Adam(net.parameters(), lr=cfg.optimizer.lr)
    data = datamodule(cfg, Tiled(name="mnist"), defense_stack(cfg))
    data.setup("fit")
    batches = iter(data.train_dataloader())
    for number, (x, y, _) in enumerate(itertools.islice(batches, WARM_UP + steps)):
        if number == WARM_UP:
            clock = Clock()
        loss = cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return clock.read()


class PerImage(Dataset[tuple[torch.Tensor, int]]):
    """What torchvision's MNIST does for each image."""

    def __init__(self, images: ImageSet) -> None:
        self.data, self.targets, self.transform = images.images[:, 0], images.labels, ToTensor()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.data[i].numpy())), int(self.targets[i])


def epoch(batches: Iterable[Any]) -> tuple[float, float]:
    clock = Clock()
    for _ in batches:
        pass
    return clock.read()


def step_comparisons(steps: int) -> list[Comparison]:
    ours, live, bare = (
        Way("hardlight train", BATCH * steps, partial(fit, steps)),
        Way("with its live bar", BATCH * steps, partial(fit, steps, terminal=True)),
        Way("bare loop", BATCH * steps, partial(bare_loop, steps)),
    )
    return [Comparison(ours, bare, goal=0.95), Comparison(live, bare)]


def gda_comparisons(steps: int) -> list[Comparison]:
    """A GDA step has 11 gradient samples for each original, which count here as samples."""
    gda = "defense=[gda]"
    chunks, whole, plain = (
        Way("GDA, chunks of 128", 11 * BATCH * steps, partial(fit, steps, [gda])),
        Way("GDA, one forward", 11 * BATCH * steps, partial(fit, steps, [gda, "chunk=100000"])),
        Way("plain training", BATCH * 5 * steps, partial(fit, 5 * steps)),
    )
    return [Comparison(chunks, plain, goal=0.95), Comparison(whole, plain), Comparison(chunks, whole)]


def data_comparisons(n: int) -> list[Comparison]:
    """Epochs of 60,000 images, but of ``n`` for the reader that takes seconds."""
    sample = ShippedSample(name="mnist").read("train")
    images = tiled(sample)
    floats = TensorDataset(images.images / 255, images.labels)
    single = PerImage(sample.select(torch.arange(n)))
    ours, tensors, pil = (
        Way("BatchLoader", len(images), partial(epoch, BatchLoader(images, BATCH, shuffle=True))),
        Way("TensorDataset", len(images), partial(epoch, DataLoader(floats, BATCH, shuffle=True))),
        Way("PIL → ToTensor", n, partial(epoch, DataLoader(single, BATCH, shuffle=True))),
    )
    return [Comparison(ours, tensors, goal=4), Comparison(ours, pil, goal=40)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few, short rounds: that it runs, not what it measures")
    parser.add_argument("--out", type=Path, help="write the rows here, as CSV")
    arguments = parser.parse_args()
    console = Console(width=min(Console().width, 80))
    started, clock = time.strftime("%Y-%m-%d %H:%M"), Clock()

    torch.set_num_threads(1)
    config.register()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    steps, gda_steps, n, rounds = (10, 1, 1000, 3) if arguments.quick else (20, 1, 6000, 15)
    comparisons = []
    for group in (step_comparisons(steps), gda_comparisons(gda_steps), data_comparisons(n)):
        take_turns(group, rounds, console)
        comparisons += group
    rows = pd.DataFrame([each.row() for each in comparisons])
    show(rows, console)
    conclude(rows, started, clock, arguments.out, console)


if __name__ == "__main__":
    main()
