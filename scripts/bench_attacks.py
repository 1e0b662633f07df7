"""Every attack of ours against those of ART, Foolbox, torchattacks and adv-lib: what it costs and how strong it is.

    ./scripts/setup bench
    .venv/bin/python scripts/bench_attacks.py --out results/attacks              speed, 70 minutes
    .venv/bin/python scripts/bench_attacks.py --strength --out results/attacks   strength, about an hour; with
                                                                   --limit 90 two hours, and 500 images for most

On the paper's MNIST CNN (trained once, for some minutes, and kept under outputs/; or --ckpt) and the same test images,
those that it gets right, with one thread and as bench_training.py measures. Settings are equal on both sides
(scripts/peers/matches.py), and one fresh float32 forward pass on the final image judges everybody's success, within
the box and the budget. Speed: images per CPU-second (per second of wall time on a GPU), in five turns, or in one run
where that takes over a minute; a ratio counts for a goal only where ours is at least as strong on the same images: no
more survivors within a budget; of minimal norms no fewer successes and a median at most 0.1 % above. Passes are forward
and backward ones per image, memory is the most needed at once beyond what was held before: both of a run of their own.
Strength: 500 images, 64 or fewer for slow attacks, and no library has more than --limit seconds for one attack; two
are compared on the images that both had. At most 3 images more may survive ours than the strongest peer's, or the
median distance be 2 % above it.

An interrupted run with --out goes on where it was.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before they are read

import argparse
import hashlib
import sys
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import torch
from benchmark import Clock, conclude, versions
from peers import figure, installed, matches, speed, strength, training, victim
from peers.contestants import Contestant, contestants
from peers.kept import Kept
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from hardlight import UserError

ROUNDS = 5
QUICK = 0.2  # seconds: what takes longer runs once when it shall be quick
AT = "fgsm adversarial training"
AT_IMAGES = 512


class Told:
    """The bar, moved between what is timed and by no thread of its own."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.task = progress, progress.add_task("", total=total)

    def __call__(self, what: str) -> None:
        self.progress.update(self.task, description=what, advance=1, refresh=True)

    def at(self, done: int) -> None:
        self.progress.update(self.task, completed=done, refresh=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strength", action="store_true", help="compare strength instead of speed")
    parser.add_argument("--quick", action="store_true", help="few images, the shipped sample: that it runs")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="matches with this in their name")
    parser.add_argument("--ckpt", type=Path, help="the net to attack, of ten classes")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder that holds MNIST")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of an attack in --strength")
    parser.add_argument("--out", type=Path, help="write the rows here, as CSV, and the figure")
    found = parser.parse_args()
    if found.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU here")
    if not matches.called(found.only):
        names = ", ".join(each.name for each in matches.MATCHES)
        parser.error(f"--only: no match has {' or '.join(found.only)} in its name; they are {names}")
    if found.ckpt and not found.ckpt.is_file():
        parser.error(f"--ckpt: no checkpoint at {found.ckpt}")
    if not found.limit > 0:
        parser.error(f"--limit must be above 0 seconds, got {found.limit:g}")
    return found


def fingerprint(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for weights in model.state_dict().values():
        digest.update(weights.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def show_speed(rows: pd.DataFrame, console: Console) -> None:
    table = Table("", "images/s", "ratio, 95 %", "strength", "goal", box=SIMPLE_HEAD, show_lines=True)
    for row in rows.itertuples():
        interval = "one run" if pd.isna(row.ratio_low) else f"{row.ratio_low:.3g}–{row.ratio_high:.3g}"
        told = f"{100 * row.success:.0f} / {100 * row.peer_success:.0f} %"
        if not row.budget:
            told += f"\n{row.median:.4g} / {row.peer_median:.4g}"
        table.add_row(
            f"{row.ours}\n/ {row.peer}{' *' if row.fastest else ''}\n{row.images} / {row.peer_images} images",
            f"{row.speed:,.3g}\n{row.peer_speed:,.3g}",
            f"{row.ratio:.3g}\n{interval}",
            f"{row.strength}\n{told}",
            "" if pd.isna(row.goal) else f"≥ {row.goal:g}\n{'met' if row.met else 'MISSED'}",
        )
    console.print(table)
    console.print("* the fastest peer of at least our strength, or the strongest where ours is stronger than all")


def show_strength(rows: pd.DataFrame, console: Console) -> None:
    table = Table("", "images", "survive\nours", "\ntheirs", "median\nours", "\ntheirs", "", box=SIMPLE_HEAD)
    for row in rows.itertuples():
        medians = ["" if pd.isna(each) else f"{each:.4g}" for each in (row.median, row.peer_median)]
        title = f"{row.ours}\n/ {row.peer}{' *' if row.strongest else ''}"
        counts = [str(each) for each in (row.images, row.survivors, row.peer_survivors)]
        table.add_row(title, *counts, *medians, "met" if row.met else "MISSED")
    console.print(table)
    console.print("* the strongest peer")


def main() -> None:
    asked = arguments()
    console = Console(width=min(Console().width, 100))
    started, clock = time.strftime("%Y-%m-%d %H:%M"), Clock()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    peers, missing = installed.peers()
    for sentence in missing:
        console.print(sentence, markup=False, highlight=False)
    if not peers:
        sys.exit("there is nobody to compare with")
    try:
        images = victim.source(asked.data, asked.quick, console)
        model = victim.net(asked.ckpt, images, asked.device, console)
    except UserError as error:
        sys.exit(str(error))

    played = lineup(asked, peers, console)
    at = not asked.only and not asked.strength and "ART" in peers
    needed = [each.strong if asked.strength else each.images for each, _ in played] + [AT_IMAGES] * at
    x, y = victim.recognised(model, images, max(needed, default=1), asked.device)
    kept = keep(asked, model, list(peers))
    rounds = 0 if asked.strength else 1 if asked.quick else ROUNDS
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, auto_refresh=False) as progress:
        told = Told(progress, sum(len(who) for _, who in played) * (1 + rounds) + at)
        done = 0
        for match, who in played:
            if key(match, who) not in kept:
                kept.keep(key(match, who), play(asked, match, who, model, x, y, rounds, told))
            done += len(who) * (1 + rounds)
            told.at(done)
        if at and AT not in kept:
            told(AT)
            n = 128 if asked.quick else AT_IMAGES
            kept.keep(AT, [[training.measure(x[:n], y[:n], rounds)], []])
    found = [kept[name] for name in [*(key(*each) for each in played), AT] if name in kept]
    finish(asked, found, started, clock, console, installed.versions(list(peers)))
    kept.close()


Played = list[tuple[matches.Match, list[Contestant]]]


def lineup(asked: argparse.Namespace, peers: dict[str, ModuleType], console: Console) -> Played:
    """The matches to be held and who takes part, ours and at least one peer."""
    played = []
    for match in matches.called(asked.only):
        who, absent = contestants(match, peers)
        for sentence in absent:
            console.print(sentence, markup=False, highlight=False)
        ours = sum(each.ours is not None for each in who)
        if 0 < ours < len(who) and (match.quick or not asked.quick):
            played.append((match, who))
    return played


def keep(asked: argparse.Namespace, model: torch.nn.Module, peers: list[str]) -> Kept:
    what = "strength" if asked.strength else "speed"
    facts = {
        "what": what,
        "versions": f"{versions()}{installed.versions(peers)}",
        "net": fingerprint(model),
        "device": asked.device,
        "quick": asked.quick,
        "limit": asked.limit,
    }
    return Kept(asked.out / f"{what}.part" if asked.out else None, facts)


def key(match: matches.Match, who: list[Contestant]) -> str:
    """Under which its rows are kept: as long as nothing about it changes."""
    return f"{match} {[each.name for each in who]}"


def play(asked: argparse.Namespace, match, who, model, x, y, rounds: int, told: Told) -> list[list[dict[str, Any]]]:
    """Rows, and rows of single images."""
    if asked.strength:
        n = min(match.quick, match.strong) if asked.quick else match.strong
        return list(strength.measure(match, who, model, x[:n], y[:n], limit=asked.limit, told=told))
    n = min(match.quick, match.images) if asked.quick else match.images
    long = QUICK if asked.quick else speed.LONG
    return [speed.measure(match, who, model, x[:n], y[:n], rounds=rounds, long=long, told=told), []]


def finish(
    asked: argparse.Namespace,
    found: list[list[list[dict[str, Any]]]],
    started: str,
    clock: Clock,
    console: Console,
    peers: str,
) -> None:
    rows = pd.DataFrame([row for each in found for row in each[0]])
    if rows.empty:
        sys.exit("there is nothing to compare: none of the peers has these attacks")
    out = asked.out / ("strength.csv" if asked.strength else "speed.csv") if asked.out else None
    (show_strength if asked.strength else show_speed)(rows, console)
    judged = rows[rows["met"].notna()]
    missed = judged[~judged["met"].astype(bool)]
    console.print(f"{len(judged) - len(missed)} of {len(judged)} goals met", highlight=False)
    conclude(rows, started, clock, out, console, peers)
    if asked.out and asked.strength:
        pd.DataFrame([row for each in found for row in each[1]]).to_csv(asked.out / "disagreements.csv", index=False)
    elif asked.out:
        figure.draw(rows, asked.out / "passes.png")


if __name__ == "__main__":
    main()
