"""What the exact training-set distance costs, against scikit-learn's brute force and torch.cdist in chunks.

    .venv/bin/python scripts/bench_metrics.py [--data data] [--quick] [--out results/bench_metrics.csv]

1,000 test images of MNIST against its 60,000 training images, with one thread and as bench_training.py measures: the
ways take turns, each turn counts CPU-seconds. For each way also: the peak of memory beyond the images themselves, in
its first turn, and the largest relative error against NumPy's float64 over all pairs. scikit-learn is none of
hardlight's dependencies: where it is absent, it is left out, and that is said.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it

import argparse
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from benchmark import Clock, Comparison, Way, conclude, peak_mib, show, take_turns
from rich.console import Console
from torch import Tensor

from hardlight.data import ShippedSample, StandardSource
from hardlight.metrics import training_set_distance

CHUNK = 1024
BATCH = 128


def chunked_cdist(x: Tensor, train: Tensor) -> Tensor:
    """The shortest way there is, in the chunks that we found best for it too."""
    nearest = [torch.cdist(x.flatten(1), chunk.flatten(1)).amin(1) for chunk in train.split(CHUNK)]
    return torch.stack(nearest).amin(0)


def scikit_learn(x: Tensor, train: Tensor) -> Tensor:
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=1, algorithm="brute", n_jobs=1).fit(train.flatten(1).numpy())
    return torch.from_numpy(search.kneighbors(x.flatten(1).numpy())[0][:, 0])


def in_batches(measure: Callable[[Tensor, Tensor], Tensor], x: Tensor, train: Tensor) -> Tensor:
    """As an evaluation asks."""
    return torch.cat([measure(part, train) for part in x.split(BATCH)])


def in_float64(x: Tensor, train: Tensor) -> Tensor:
    """All pairs, the squares multiplied out: right to 1e-7 of a distance of 1e-4 still."""
    a, b = (each.flatten(1).double().numpy() for each in (x, train))
    squares = np.square(b).sum(1)
    nearest = [(np.square(part).sum(1)[:, None] - 2 * part @ b.T + squares).min(1) for part in np.array_split(a, 10)]
    return torch.from_numpy(np.sqrt(np.concatenate(nearest).clip(0)))


@dataclass
class Measured:
    """A way of measuring, and what it needed and found the first time."""

    measure: Callable[[Tensor, Tensor], Tensor]
    x: Tensor
    train: Tensor
    peak_mib: float = field(init=False)
    found: Tensor = field(init=False)

    def first(self) -> None:
        self.found, self.peak_mib = peak_mib(partial(self.measure, self.x, self.train))

    def turn(self) -> tuple[float, float]:
        clock = Clock()
        self.measure(self.x, self.train)
        return clock.read()


def images(data: Path, quick: bool) -> tuple[Tensor, Tensor]:
    """Test and training images, float32: of the shipped sample where it shall be quick."""
    source = ShippedSample(name="mnist") if quick else StandardSource(name="mnist", folder=str(data))
    source.check()
    test, train = (source.read(part).images.float() / 255 for part in ("test", "train"))
    return test[: 100 if quick else 1000], train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder that holds MNIST")
    parser.add_argument("--quick", action="store_true", help="few images and rounds: that it runs")
    parser.add_argument("--out", type=Path, help="write the rows here, as CSV")
    arguments = parser.parse_args()
    console = Console(width=min(Console().width, 80))
    started, clock = time.strftime("%Y-%m-%d %H:%M"), Clock()

    torch.set_num_threads(1)
    x, train = images(arguments.data, arguments.quick)
    peers = {"torch.cdist": (chunked_cdist, 1.1)}
    if importlib.util.find_spec("sklearn"):
        peers["scikit-learn"] = (scikit_learn, 2)
    else:
        console.print("scikit-learn is not installed, so it is not compared: pip install scikit-learn")
    measured = {"hardlight": training_set_distance} | {name: peer for name, (peer, _) in peers.items()}
    batched = {f"{name}, batches of {BATCH}": name for name in ("hardlight", "torch.cdist")}
    measured |= {title: partial(in_batches, measured[name]) for title, name in batched.items()}
    runs = {name: Measured(measure, x, train) for name, measure in measured.items()}
    ways = {name: Way(name, len(x), run.turn) for name, run in runs.items()}
    exact = in_float64(x[:10], train[:10])  # loads the libraries, whose memory is nobody's
    for run in runs.values():
        run.first()
    exact = in_float64(x, train)
    comparisons = [Comparison(ways["hardlight"], ways[name], goal) for name, (_, goal) in peers.items()]
    comparisons.append(Comparison(*(ways[title] for title in batched)))
    take_turns(comparisons, 2 if arguments.quick else 11, console)

    rows = pd.DataFrame([each.row() for each in comparisons])
    for side in ("way", "against"):
        rows[f"{side}_peak_mib"] = [runs[name].peak_mib for name in rows[side]]
        rows[f"{side}_error"] = [float((runs[name].found / exact - 1).abs().max()) for name in rows[side]]
    show(rows, console)
    for name, run in runs.items():
        error = float((run.found / exact - 1).abs().max())
        console.print(f"{name}: {run.peak_mib:.0f} MiB at most, relative error at most {error:.1g}", highlight=False)
    conclude(rows, started, clock, arguments.out, console)


if __name__ == "__main__":
    main()
