"""HopSkipJump, on decisions alone (Chen, Jordan, Wainwright, IEEE S&P 2020)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.goal import Goal
from hardlight.attacks.nearest import Nearest
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal, uniform
from hardlight.tensors import clamp, confine, norms, per_sample, unit

AT_ONCE = 256  # images in a forward pass of a gradient's estimate, if the batch holds no more
MOST_EVALS = 1_000_000
_HALVINGS = 30
_STREAM = "hop_skip_jump"


@dataclass(frozen=True, kw_only=True)
class HopSkipJump(MinimalNorm):
    """Walks along the boundary towards the image, asking the model for its prediction only: no gradient, no score.

    It starts from noise that fools the model, the first of ``tries``. Each of ``steps`` steps estimates the boundary's
    normal from the predictions at ``init_evals``·√step random points around, ``max_evals`` at most; goes along it as
    far as the model stays fooled, trying distance/√step and its halves; and bisects the way back to the image. A
    sample for which no noise fools the model, usual for a target, stays unchanged.

    Unlike the paper: the nearest of all steps is returned, not the last; every second noise is black and white, of a
    random density; and a bisection has 10 steps at least, for images of few pixels.
    """

    steps: int = 64
    init_evals: int = 100
    max_evals: int = 10_000
    tries: int = 100

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")
    draws: ClassVar[bool] = True
    gradients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        checks.whole("init_evals", self.init_evals, low=1, high=MOST_EVALS)
        checks.whole("max_evals", self.max_evals, low=1, high=MOST_EVALS)
        checks.whole("tries", self.tries, low=1)

    @property
    def passes(self) -> int:
        return int(min(2 / 3 * self.init_evals * self.steps**1.5, self.max_evals * self.steps)) + 20 * self.steps

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        x_adv = x.clone()
        rows = (~goal.cleared(queries.logits(x))).nonzero().squeeze(1)
        start, fooled = self._start(queries.part(rows), x[rows], goal[rows], index[rows])
        rows, start = rows[fooled], start[fooled]
        if len(rows):
            x_adv[rows] = self._walk(queries.part(rows), x[rows], goal[rows], index[rows], start)
        return x_adv

    def _start(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> tuple[Tensor, Tensor]:
        """Noise for every sample, and where it fools the model."""
        start, fooled = x.clone(), torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for attempt in range(self.tries):
            rows = (~fooled).nonzero().squeeze(1)
            if not len(rows):
                break
            noise = uniform(index[rows], x[rows], seed=self.seed, stream=_STREAM, draw=-2 * attempt - 1)
            if attempt % 2:
                density = uniform(index[rows], x[rows, :1, :1, :1], seed=self.seed, stream=_STREAM, draw=-2 * attempt)
                noise = (noise < density).to(x.dtype)
            start[rows], fooled[rows] = noise, goal[rows].cleared(queries.logits(noise, rows))
        return start, fooled

    def _walk(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor, start: Tensor) -> Tensor:
        nearest, everywhere = Nearest(x, self.norm), torch.ones(len(x), dtype=torch.bool, device=x.device)
        x_adv = self._back(queries, x, goal, start)
        length = nearest.offer(x_adv, everywhere)
        radius = torch.full_like(length, 0.1)
        for step in range(1, self.steps + 1):
            upwards = self._normal(queries, x_adv, goal, index, radius, step)
            x_adv = self._leap(queries, x_adv, goal, upwards, length / math.sqrt(step))
            radius = norms(x_adv - x, self.norm) / x[0].numel()
            x_adv = self._back(queries, x, goal, x_adv)
            length = nearest.offer(x_adv, everywhere)
        return nearest.x_adv

    def _back(self, queries: Queries, x: Tensor, goal: Goal, x_adv: Tensor) -> Tensor:
        """The nearest seen to fool on the way from ``x_adv`` to ``x``: straight in l2, pixel by pixel in linf."""
        far, length = x_adv, norms(x_adv - x, self.norm)
        low, high = torch.zeros_like(length), length
        precision = x[0].numel() ** (1.5 if self.norm == "l2" else 2.0)
        for _ in range(max(10, math.ceil(math.log2(precision)))):
            middle = (low + high) / 2
            tried = confine(far, x, self.norm, middle)
            cleared = goal.cleared(queries.logits(tried))
            x_adv = torch.where(per_sample(cleared, x), tried, x_adv)
            low, high = torch.where(cleared, low, middle), torch.where(cleared, middle, high)
        return x_adv

    def _normal(self, queries: Queries, x_adv: Tensor, goal: Goal, index: Tensor, radius: Tensor, step: int) -> Tensor:
        """The direction, like x, in which the model is fooled, by predictions at random points ``radius`` (N,) away."""
        evals, at_once = min(int(self.init_evals * math.sqrt(step)), self.max_evals), max(1, AT_ONCE // len(x_adv))
        shifts, fooling = torch.zeros_like(x_adv.flatten(1)), torch.zeros_like(x_adv.flatten(1))
        fooled = torch.zeros_like(radius)
        for first in range(0, evals, at_once):
            number = torch.arange(first, min(first + at_once, evals), device=x_adv.device)
            rows = torch.arange(len(x_adv), device=x_adv.device).repeat_interleave(len(number))
            origin, name = x_adv[rows], index[rows] * MOST_EVALS + number.repeat(len(x_adv))
            if self.norm == "l2":
                noise = normal(name, origin, seed=self.seed, stream=_STREAM, draw=step)
            else:
                noise = 2 * uniform(name, origin, seed=self.seed, stream=_STREAM, draw=step) - 1
            tried = clamp(origin + per_sample(radius[rows], origin) * unit(noise, "l2"))
            cleared = goal[rows].cleared(queries.logits(tried, rows)).to(x_adv.dtype).reshape(len(x_adv), -1)
            shift = (tried - origin).reshape(len(x_adv), len(number), -1)
            shifts += shift.sum(1)
            fooling += (cleared[:, None] @ shift).squeeze(1)
            fooled += cleared.sum(1)
        share = (fooled / evals)[:, None]
        mixed = (share > 0) & (share < 1)
        found = torch.where(mixed, fooling - share * shifts, torch.where(share > 0, shifts, -shifts))
        found = found.reshape(x_adv.shape)
        return unit(found, "l2") if self.norm == "l2" else found.sign()

    def _leap(self, queries: Queries, x_adv: Tensor, goal: Goal, upwards: Tensor, size: Tensor) -> Tensor:
        """The furthest of the steps ``size``, size/2, … that still fools; none if all of them are too far."""
        leapt, rows = x_adv.clone(), torch.arange(len(x_adv), device=x_adv.device)
        for _ in range(_HALVINGS):
            tried = clamp(x_adv[rows] + per_sample(size, x_adv[rows]) * upwards[rows])
            cleared = goal[rows].cleared(queries.logits(tried, rows))
            leapt[rows[cleared]] = tried[cleared]
            rows, size = rows[~cleared], size[~cleared] / 2
            if not len(rows):
                break
        return leapt
