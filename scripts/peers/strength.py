"""How strong ours and the peers' are on the same images, image by image."""

from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
import torch
from benchmark import Clock
from torch import Tensor, nn

from hardlight.statistics import mcnemar
from peers.contestants import Contestant
from peers.judge import Judged, disagreements, judge
from peers.matches import Match

MORE_SURVIVORS = 3  # images that may survive ours and not theirs
FARTHER = 1.02  # times their median distance that ours may be


def attacked(contestant: Contestant, match: Match, model: nn.Module, x: Tensor, y: Tensor, limit: float) -> Judged:
    """Batch after batch, until all are done or ``limit`` seconds are over: CPU-seconds, on a GPU wall time."""
    found, clock, batch = [], Clock(), min(match.batch, match.few.get(contestant.library, match.batch))
    torch.manual_seed(0)
    np.random.seed(0)
    for part, labels in zip(x.split(batch), y.split(batch), strict=True):
        target = (labels + 1) % 10 if match.targeted else None
        found.append(contestant.call(model, part, labels, target).detach().to(part))
        cpu, wall = clock.read()
        if (wall if x.is_cuda else cpu) > limit:
            break
    x_adv = torch.cat(found)
    n = len(x_adv)
    target = (y[:n] + 1) % 10 if match.targeted else None
    return judge(model, x[:n], x_adv, y[:n], target, contestant.norm, contestant.eps)


def measure(
    match: Match,
    contestants: list[Contestant],
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    limit: float,
    told: Callable[[str], None],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of each of ours against each peer; rows of the images on which they differ."""
    found = []
    for each in contestants:
        told(f"{match.name}: {each.name}")
        found.append((each, attacked(each, match, model, x, y, limit)))
    rows, images = [], []
    for ours, own in found:
        if ours.ours is None:
            continue
        against = [(peer, theirs) for peer, theirs in found if peer.ours is None]
        worst = max((lag(own, theirs) for _, theirs in against), default=None)
        for peer, theirs in against:
            rows.append(_row(match, ours, own, peer, theirs, strongest=lag(own, theirs) == worst))
            images += [
                {
                    "match": match.name,
                    "ours": ours.name,
                    "peer": peer.name,
                    "image": i,
                    "our_result": a,
                    "their_result": b,
                }
                for i, a, b in disagreements(own, theirs)
            ]
    return rows, images


def shared(ours: Judged, theirs: Judged) -> tuple[Judged, Judged]:
    n = min(len(ours.fooled), len(theirs.fooled))
    return ours.first(n), theirs.first(n)


def lag(ours: Judged, theirs: Judged) -> float:
    """By how much ours is behind: in the share of images that survive, or of the median distance."""
    ours, theirs = shared(ours, theirs)
    if ours.eps is not None:
        return (ours.survivors - theirs.survivors) / len(ours.fooled)
    if not (np.isfinite(ours.median) and np.isfinite(theirs.median)):
        return theirs.success - ours.success
    return ours.median / max(theirs.median, 1e-12) - 1


def met(ours: Judged, theirs: Judged) -> bool:
    ours, theirs = shared(ours, theirs)
    enough = ours.survivors - theirs.survivors <= MORE_SURVIVORS
    return bool(enough and (ours.eps is not None or ours.median <= FARTHER * theirs.median))


def _row(
    match: Match, ours: Contestant, own: Judged, peer: Contestant, theirs: Judged, *, strongest: bool
) -> dict[str, Any]:
    note = "; ".join(part for part in (peer.note, theirs.evidence) if part)
    good = met(own, theirs)
    own, theirs = shared(own, theirs)
    medians = [each.median if each.eps is None else nan for each in (own, theirs)]
    gained, lost = int((own.fooled & ~theirs.fooled).sum()), int((theirs.fooled & ~own.fooled).sum())
    return {
        "match": match.name,
        "ours": ours.name,
        "peer": peer.name,
        "images": len(own.fooled),
        "survivors": own.survivors,
        "peer_survivors": theirs.survivors,
        "only_ours_fools": gained,
        "only_theirs_fools": lost,
        "p": mcnemar(gained, lost),
        "median": medians[0],
        "peer_median": medians[1],
        "strongest": strongest,
        "met": good,
        "note": note,
    }
