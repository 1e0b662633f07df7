"""MinL2, an attack of hardlight's own: boundaries are followed, each to its point nearest to the image."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.ddn import DDN
from hardlight.attacks.deepfool import DeepFool
from hardlight.attacks.goal import Goal, rivals
from hardlight.attacks.hyperplane import to_hyperplane
from hardlight.attacks.queries import Queries, Trace
from hardlight.tensors import clamp, norms, per_sample, unit

_FIRST, _LAST = 0.9, 0.05  # the share of the way to the nearest point that a step goes along the boundary
_OVERSHOOT = 0.005  # of that share, as a part of the distance
_SHORT = DDN(steps=15, gamma=0.15)


@dataclass(frozen=True, kw_only=True)
class MinL2(MinimalNorm):
    """For every rival class a walk of ``steps`` steps along its boundary, towards the point nearest to the image.

    A step linearises the boundary at the iterate. It goes to the boundary by the shortest way, and along it a share of
    the way to the linearised boundary's point nearest to the image, both within the box (as FAB does: Croce and Hein,
    ICML 2020). The share falls from 0.9 to 0.05 on a cosine. What no walk fools is left to ``DeepFool``, and a
    short ``DDN`` looks at every sample from another side, which pays where a net saturates and its linearisations
    mislead. The nearest of all images that fool the model is the result.

    The rivals are the ``candidates`` classes of highest logit. One leaves as soon as its linearised boundary is more
    than ``slack`` times as far as the nearest that its image has, or as what was found; the slack above 1 falls with
    the share. With a target there is one walk, along the target's boundary with the class that leads.
    """

    steps: int = 15
    candidates: int = 9
    slack: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        checks.whole("candidates", self.candidates, low=1)
        checks.number("slack", self.slack, low=1)

    @property
    def passes(self) -> int:
        return 5 + 2 * self.steps + _SHORT.passes  # most rivals leave early

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        standing, rows, rival = self._walks(queries, x, goal)
        found, length = x.clone(), torch.full_like(x.flatten(1)[:, 0], torch.inf)
        x_adv = x[rows]
        for step in range(self.steps):
            if not len(rows):
                break
            origin, aim = x[rows], goal[rows]
            trace = queries.trace(x_adv, rows)
            length = _keep(x_adv, origin, aim.cleared(trace.logits), rows, found, length)
            lead, gradient = _boundary(trace, aim, rival)
            at_image = lead + (gradient * (origin - x_adv)).flatten(1).sum(1)
            nearest = origin + to_hyperplane(origin, gradient, at_image, "l2")
            far = torch.where(gradient.flatten(1).any(1), norms(nearest - origin, "l2"), torch.inf)
            share = _LAST + (_FIRST - _LAST) * (1 + math.cos(math.pi * step / self.steps)) / 2
            slack = 1 + (self.slack - 1) * share
            stays = far.isfinite() & (far <= slack * length.scatter_reduce(0, rows, far, "amin")[rows])
            crossed = x_adv + to_hyperplane(x_adv, gradient, lead, "l2")
            beyond = per_sample(_OVERSHOOT * share * far.clamp_max(1e6), x_adv) * unit(gradient, "l2")
            x_adv = clamp((1 - share) * crossed + share * nearest + beyond)[stays]
            rows, rival = rows[stays], rival[stays]
        if len(rows):
            cleared = goal[rows].cleared(queries.logits(x_adv, rows))
            length = _keep(x_adv, x[rows], cleared, rows, found, length)
        for attack, rows in ((DeepFool(), standing[length[standing].isinf()]), (_SHORT, standing)):
            if len(rows):
                other = attack.perturb(queries.part(rows), x[rows], goal[rows], index[rows])
                moved = (other != x[rows]).flatten(1).any(1)
                length = _keep(other, x[rows], moved, rows, found, length)
        return found

    def _walks(self, queries: Queries, x: Tensor, goal: Goal) -> tuple[Tensor, Tensor, Tensor]:
        """The samples to be fooled, and of the walks that are worth it the samples and rivals."""
        trace = queries.trace(x)
        standing = (~goal.cleared(trace.logits)).nonzero().squeeze(1)
        likeliest = rivals(trace.logits, goal.y)[:, : 1 if goal.targeted else self.candidates]
        if likeliest.shape[1] == 1 or not len(standing):
            return standing, standing, likeliest[standing, 0]
        far = []
        for rival in likeliest.unbind(1):
            lead, gradient = _boundary(trace, goal, rival)
            steep = norms(gradient, "l2")
            far.append(torch.where(steep > 0, lead.abs() / steep, torch.inf))
        distance = torch.stack(far, 1)
        worth = distance.isfinite() & (distance <= self.slack * distance.amin(1, keepdim=True))
        sample, place = worth[standing].nonzero(as_tuple=True)
        rows = standing[sample]
        return standing, rows, likeliest[rows, place]


def _boundary(trace: Trace, goal: Goal, rival: Tensor) -> tuple[Tensor, Tensor]:
    """By how much the rival leads the label, with a target by how much that leads the rest, (N,), and its gradient."""
    logits = trace.logits
    y, rival = goal.y[:, None], rival[:, None]
    if goal.targeted:
        y, rival = rivals(logits, goal.y)[:, :1], y
    by_logits = torch.zeros_like(logits).scatter(1, rival, 1).scatter(1, y, -1)
    gradient = trace.gradient(by_logits, again=True)
    return (by_logits * logits).sum(1).to(gradient.dtype), gradient


def _keep(x_adv: Tensor, x: Tensor, cleared: Tensor, rows: Tensor, found: Tensor, length: Tensor) -> Tensor:
    """Puts into ``found`` what fools the model nearer than ``length`` (N,); returns the new lengths."""
    here = torch.where(cleared, norms(x_adv - x, "l2"), torch.inf)
    least = length.scatter_reduce(0, rows, here, "amin")
    won = (here == least[rows]) & (here < length[rows])
    found[rows[won]] = x_adv[won]
    return least
