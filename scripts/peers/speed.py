"""How fast ours and the peers' are at what strength, what a pass costs apart: one match at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import ceil, nan
from typing import Any

import numpy as np
import torch
from benchmark import Clock, Way, peak_mib, ratio, spread
from torch import Tensor, nn

from peers.contestants import Contestant
from peers.judge import Judged, compare, judge
from peers.matches import FASTEST, Match
from peers.passes import counted

LONG = 60.0  # seconds: what takes longer runs once; CPU-seconds, on a GPU wall time
TURN = 1.0  # seconds that a turn is to last at least


@dataclass
class Run:
    """What a contestant did: what its images are worth, what it took."""

    contestant: Contestant
    judged: Judged
    forward: float
    backward: float
    peak_mib: float
    seconds: float
    way: Way = field(repr=False)

    def speeds(self, cpu: bool) -> list[float]:
        return self.way.cpu if cpu else self.way.wall


def first_run(contestant: Contestant, match: Match, model: nn.Module, x: Tensor, y: Tensor, long: float) -> Run:
    """Untimed but where it takes long: its passes are counted (below 0.1 % of the time), its memory is watched."""
    target = (y + 1) % 10 if match.targeted else None
    torch.manual_seed(0)
    np.random.seed(0)
    with counted(model) as passes:
        clock = Clock()
        x_adv, peak = peak_mib(lambda: contestant.call(model, x, y, target))
        cpu, wall = clock.read()
    judged = judge(model, x, x_adv, y, target, contestant.norm, contestant.eps)
    seconds = wall if x.is_cuda else cpu

    def turn(calls: int = 1) -> tuple[float, float]:
        clock = Clock()
        for _ in range(calls):
            contestant.call(model, x, y, target)
        return clock.read()

    if seconds < TURN:  # of which most may have been what is done only once, such as an import
        seconds = max(turn()[1 if x.is_cuda else 0], 1e-6)
    calls = max(1, ceil(min(TURN, long) / seconds))
    way = Way(contestant.name, len(x) * calls, partial(turn, calls))
    if seconds > long:
        way.cpu.append(len(x) / cpu)
        way.wall.append(len(x) / wall)
    return Run(contestant, judged, passes.forward / len(x), passes.backward / len(x), peak, seconds, way)


def measure(
    match: Match,
    contestants: list[Contestant],
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    rounds: int,
    long: float = LONG,
    told: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Rows of each of ours against each peer."""
    model.requires_grad_(match.trainable)
    try:
        runs = []
        for each in contestants:
            told(f"{match.name}: {each.name}")
            n = min(len(x), match.few.get(each.library, len(x)))
            runs.append(first_run(each, match, model, x[:n], y[:n], long))
        for number in range(rounds):
            for run in runs:
                if run.seconds <= long:
                    told(f"{match.name}: {run.contestant.name}, turn {number + 1} of {rounds}")
                    run.way.take_turn()
    finally:
        model.requires_grad_(False)
    peers = [run for run in runs if run.contestant.ours is None]
    return [row for run in runs if run.contestant.ours for row in _rows(match, run, peers, cpu=not x.is_cuda)]


def _rows(match: Match, ours: Run, peers: list[Run], *, cpu: bool) -> list[dict[str, Any]]:
    asked = ours.contestant.ours
    settings = {"tolerance": asked.tolerance, "statistic": asked.statistic, "chance": asked.made().draws}
    strengths = [compare(ours.judged, peer.judged, **settings) for peer in peers]
    fastest = yardstick(peers, strengths, cpu)
    rows = []
    for peer, strength in zip(peers, strengths, strict=True):
        speeds = ours.speeds(cpu), peer.speeds(cpu)
        low, high = spread(*speeds)
        goal = asked.goals.get(peer.contestant.library)
        if goal is None and peer is fastest:
            goal = asked.goals.get(FASTEST)
        found = ratio(*speeds)
        rows.append(
            {
                "match": match.name,
                "ours": asked.name,
                "peer": peer.contestant.name,
                "images": len(ours.judged.fooled),
                "peer_images": len(peer.judged.fooled),
                "rounds": min(map(len, speeds)),
                "budget": ours.contestant.eps is not None,
                "fastest": peer is fastest,
                "speed": float(np.median(speeds[0])),
                "peer_speed": float(np.median(speeds[1])),
                "ratio": float(found),
                "ratio_low": low,
                "ratio_high": high,
                "strength": strength,
                "goal": nan if goal is None else goal,
                "met": None if goal is None else reached(found, high, goal) and strength != "weaker",
                **_told("", ours, len(peer.judged.fooled)),
                **_told("peer_", peer, len(peer.judged.fooled)),
                "note": "; ".join(part for part in (peer.contestant.note, peer.judged.evidence) if part),
            }
        )
    return rows


def _told(whose: str, run: Run, n: int) -> dict[str, float]:
    """Of the first ``n`` images, which both attacked: a failure is infinite in the median and left out of the mean."""
    judged = run.judged.first(n)
    distances = judged.distance[judged.fooled]
    return {
        f"{whose}success": judged.success,
        f"{whose}median": judged.median,
        f"{whose}mean": float(distances.mean()) if len(distances) else nan,
        f"{whose}forward": run.forward,
        f"{whose}backward": run.backward,
        f"{whose}peak_mib": run.peak_mib,
    }


def yardstick(peers: list[Run], strengths: list[str], cpu: bool) -> Run | None:
    """The fastest peer of at least our strength; the strongest where none is as strong as ours."""
    if not peers:
        return None
    strong = [peer for peer, strength in zip(peers, strengths, strict=True) if strength != "stronger"]
    if strong:
        return max(strong, key=lambda peer: np.median(peer.speeds(cpu)))
    return min(peers, key=lambda peer: (-peer.judged.success, peer.judged.median))


def reached(found: float, high: float, goal: float) -> bool:
    """Twice as fast is twice as fast; no slower is what the interval allows."""
    return found >= goal or (goal == 1 and high >= 1)
