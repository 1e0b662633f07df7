"""What the benchmarks share: ways of doing the same work that take turns, and how their numbers are told.

A turn counts the CPU-seconds of this process, which other work on the machine disturbs less than wall time; on a GPU
it waits for the kernels, and wall time counts. A speed is the median over the turns, a ratio that of two medians, with
its 95 % bootstrap interval over the rounds.
"""

import ctypes
import gc
import platform
import re
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scipy.stats import bootstrap

from hardlight import __version__

Result = TypeVar("Result")


class Clock:
    """CPU and wall seconds since it was made, a GPU's work in flight done."""

    def __init__(self) -> None:
        _finish()
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def read(self) -> tuple[float, float]:
        _finish()
        return time.process_time() - self.cpu, time.perf_counter() - self.wall


def _finish() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


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
        low, high = spread(way.cpu, against.cpu)
        met = None if self.goal is None else ratio(way.cpu, against.cpu) >= self.goal
        return {
            "way": way.name,
            "against": against.name,
            "rounds": len(way.cpu),
            "samples_per_cpu_second": np.median(way.cpu),
            "against_samples_per_cpu_second": np.median(against.cpu),
            "ratio": ratio(way.cpu, against.cpu),
            "ratio_low": low,
            "ratio_high": high,
            "goal": self.goal,
            "met": met,
            "samples_per_wall_second": np.median(way.wall),
            "against_samples_per_wall_second": np.median(against.wall),
            "wall_ratio": ratio(way.wall, against.wall),
        }


def ratio(a: Any, b: Any, axis: int = -1) -> Any:
    return np.median(a, axis=axis) / np.median(b, axis=axis)


def spread(a: list[float], b: list[float]) -> tuple[float, float]:
    """The 95 % interval of their ratio, round by round; NaN where there are no rounds to draw from."""
    if len(a) < 2 or len(a) != len(b):
        return np.nan, np.nan
    interval = bootstrap((a, b), ratio, paired=True, method="percentile", rng=0).confidence_interval
    return float(interval.low), float(interval.high)


def peak_mib(work: Callable[[], Result]) -> tuple[Result, float]:
    """What ``work`` returns, and the most memory that it needed at once beyond what was held before.

    On a GPU what torch allocated; else the pages resident in this process, after what was freed earlier went back to
    the system. NaN where neither Linux nor CUDA tells.
    """
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        return work(), (torch.cuda.max_memory_allocated() - before) / 2**20
    if not sys.platform.startswith("linux"):
        return work(), np.nan
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _kib("VmRSS")
    return work(), (_kib("VmHWM") - before) / 1024


def _kib(field: str) -> int:
    """A line of what Linux tells of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


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
    if torch.cuda.is_initialized():
        return torch.cuda.get_device_name()
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{names[0]}, {len(names)} cores, of which one is used"


def versions() -> str:
    return (
        f"hardlight {__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"pytorch-lightning {pl.__version__}"
    )


def command() -> str:
    """As it was typed, folders of this machine left out."""
    return shlex.join(["python", *(Path(each).name if Path(each).is_absolute() else each for each in sys.argv)])


def conclude(
    rows: pd.DataFrame, started: str, clock: Clock, out: Path | None, console: Console, peers: str = ""
) -> None:
    """How the rows came about: said, and with them in the file ``out``."""
    cpu, wall = clock.read()
    facts = {
        "command": command(),
        "versions": f"{versions()}{peers}",
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
