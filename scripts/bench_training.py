"""What training costs: our step against a bare loop, GDA against plain training, the data path against DataLoader.

    .venv/bin/python scripts/bench_training.py [--quick] [--out results/bench_training.csv]

One thread; the ways of a measure take turns (A B A B …) in one run. Each turn counts the CPU-seconds of this process,
which other work on the machine disturbs less than wall time. A speed is the median over the turns, a ratio is the
ratio of two medians, with its 95 % bootstrap interval over the rounds. Start-up and the first steps do not count.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it

import argparse
import gc
import io
import itertools
import logging
import platform
import re
import shlex
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from PIL import Image
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scipy.stats import bootstrap
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import ToTensor

from hardlight import __version__, config
from hardlight.build import training
from hardlight.build.data import datamodule
from hardlight.build.evaluation import attack_grids
from hardlight.build.model import defended_net, defense_stack
from hardlight.build.nodes import made
from hardlight.callbacks import AttackEvaluation
from hardlight.data import BatchLoader, ImageSet, ShippedSample

WARM_UP = 3  # steps before the clock starts
BATCH = 128


class Clock:
    """CPU and wall seconds since it was made."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def read(self) -> tuple[float, float]:
        return time.process_time() - self.cpu, time.perf_counter() - self.wall


@dataclass
class Way:
    """One way of doing the work: ``turn`` does ``samples`` of it and returns its CPU and wall seconds."""

    name: str
    samples: int
    turn: Callable[[], tuple[float, float]]
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def take_turn(self) -> None:
        gc.collect()
        cpu, wall = self.turn()
        self.cpu.append(self.samples / cpu)
        self.wall.append(self.samples / wall)


@dataclass(frozen=True)
class Comparison:
    """How many times as fast ``way`` is to be as ``against``; no ``goal``: for the reader to know."""

    way: Way
    against: Way
    goal: float | None = None

    def row(self) -> dict[str, Any]:
        way, against = self.way, self.against
        spread = bootstrap((way.cpu, against.cpu), ratio, paired=True, method="percentile", rng=0).confidence_interval
        met = None if self.goal is None else ratio(way.cpu, against.cpu) >= self.goal
        return {
            "way": way.name,
            "against": against.name,
            "rounds": len(way.cpu),
            "samples_per_cpu_second": np.median(way.cpu),
            "against_samples_per_cpu_second": np.median(against.cpu),
            "ratio": ratio(way.cpu, against.cpu),
            "ratio_low": spread.low,
            "ratio_high": spread.high,
            "goal": self.goal,
            "met": met,
            "samples_per_wall_second": np.median(way.wall),
            "against_samples_per_wall_second": np.median(against.wall),
            "wall_ratio": ratio(way.wall, against.wall),
        }


def ratio(a: Any, b: Any, axis: int = -1) -> Any:
    return np.median(a, axis=axis) / np.median(b, axis=axis)


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


def take_turns(comparisons: list[Comparison], rounds: int, console: Console) -> None:
    ways = {id(way): way for each in comparisons for way in (each.way, each.against)}.values()
    for number in range(rounds):
        for way in ways:
            console.print(f"round {number + 1} of {rounds}: {way.name}", style="dim")
            way.take_turn()


def show(rows: pd.DataFrame, console: Console) -> None:
    table = Table(
        "", "samples/s\nCPU", "\nwall", "ratio\nCPU, 95 %", "\nwall", "goal", box=SIMPLE_HEAD, show_lines=True
    )
    for row in rows.itertuples():
        table.add_row(
            f"{row.way}\n/ {row.against}",
            f"{row.samples_per_cpu_second:,.0f}\n{row.against_samples_per_cpu_second:,.0f}",
            f"{row.samples_per_wall_second:,.0f}\n{row.against_samples_per_wall_second:,.0f}",
            f"{row.ratio:.3g}\n{row.ratio_low:.3g}–{row.ratio_high:.3g}",
            f"{row.wall_ratio:.3g}",
            "" if pd.isna(row.goal) else f"≥ {row.goal:g}\n{'met' if row.met else 'MISSED'}",
        )
    console.print(table)


def hardware() -> str:
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{names[0]}, {len(names)} cores, of which one is used"


def conclude(rows: pd.DataFrame, started: str, clock: Clock, out: Path | None, console: Console) -> None:
    """How the rows came about: said, and with them in the file ``out``."""
    cpu, wall = clock.read()
    facts = {
        "command": shlex.join(["python", *sys.argv]),
        "versions": f"hardlight {__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"pytorch-lightning {pl.__version__}",
        "hardware": hardware(),
        "date": started,
        "duration": f"{cpu:.0f} s of CPU, {wall:.0f} s of wall time",
    }
    for key, fact in facts.items():
        console.print(f"{key}: {fact}", highlight=False)
    if out is not None:
        with out.open("w") as file:
            file.writelines(f"# {key}: {fact}\n" for key, fact in facts.items())
            rows.to_csv(file, index=False, float_format="%.5g")


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
