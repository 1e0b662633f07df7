"""Square Attack (Andriushchenko, Croce, Flammarion, Hein, ECCV 2020): random search with squares, without gradients."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from hardlight import checks
from hardlight.attacks.early_stop import EarlyStop
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import uniform
from hardlight.attacks.windows import bump, window
from hardlight.tensors import clamp, confine, per_sample, unit

_HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # queries: when p is halved
_AT_ONCE = 50  # queries whose random numbers are drawn together


@dataclass(frozen=True, kw_only=True)
class Square(EarlyStop):
    """Asks for logits alone, ``queries`` times a sample, each but the first of the best so far with a square changed.

    A change is kept if it raises the loss (the margin; targeted: the cross-entropy's) or is the first to fool. In linf
    a square is moved to ±eps, a sign for each channel; in l2 and l1 what is in one square moves to a bump in another.
    The squares have the part ``p_init`` of the image at first, halved after 10, 50, … 8000 queries; with
    ``rescale_schedule`` the schedule for 10,000 queries is shrunk to their number, which AutoAttack does not do.
    ``early_stop`` lets a sample go as soon as it fools the model, as the paper does; else the budget is spent on it.

    Ours: every sample has its own squares and signs. They reach the last row and column, which the authors' code never
    touches after the first query. In linf signs that would change nothing are turned round. In l2 and l1 what each
    channel may spend is its own, as in the paper.
    """

    queries: int = 5000
    p_init: float = 0.8
    rescale_schedule: bool = False

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    draws: ClassVar[bool] = True
    gradients: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("queries", self.queries, low=1)
        checks.number("p_init", self.p_init, low=0, high=1, strict_low=True)
        checks.flag("rescale_schedule", self.rescale_schedule)

    @property
    def passes(self) -> int:
        return self.queries

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        goal = replace(goal, loss="cross_entropy" if goal.targeted else "margin")
        rows, best = torch.arange(len(x), device=x.device), self._first(x, index)
        logits = queries.logits(best)
        loss, fooled = goal.value(logits), goal.reached(logits)
        numbers = x.new_empty(len(x), _AT_ONCE, 4 + x.shape[1] + 1)
        for query in range(1, self.queries):
            if self.early_stop:
                rows = (~fooled).nonzero().squeeze(1)
                if not len(rows):
                    break
            turn, at = divmod(query - 1, _AT_ONCE)
            if at == 0:
                numbers = uniform(index, numbers, seed=self.seed, stream="square", draw=1 + turn)
            tried = self._changed(best[rows], x[rows], numbers[rows, at], query)
            logits, aim = queries.logits(tried, rows), goal[rows]
            value, reached = aim.value(logits), aim.reached(logits)
            better = (reached & ~fooled[rows]) | ((reached == fooled[rows]) & (value > loss[rows]))
            won = rows[better]
            best[won], loss[won], fooled[won] = tried[better], value[better], reached[better]
        return best

    def side(self, query: int, height: int, width: int) -> int:
        """Of the square of a query, the first of which, 0, has none."""
        if self.rescale_schedule:
            query = int(query / self.queries * 10_000)
        part = self.p_init / 2 ** sum(query > after for after in _HALVED_AFTER)
        side = max(round(math.sqrt(part * height * width)), 1)
        if self.norm != "linf":  # an odd one, so that the bump has a middle
            side = max(side, 3) // 2 * 2 + 1
        return min(side, height, width)

    def _first(self, x: Tensor, index: Tensor) -> Tensor:
        """Stripes of ±eps in linf; in l2 and l1 bumps side by side, five in the shorter of height and width."""
        n, channels, height, width = x.shape
        if self.norm == "linf":
            draw = uniform(index, x[:, :, :1], seed=self.seed, stream="square")
            return clamp(x + self.eps * _signs(draw))
        side = max(min(height, width) // 5, 1)
        down, across = height // side, width // side
        draw = uniform(index, x.new_empty(n, 1 + channels, down, across, 1, 1), seed=self.seed, stream="square")
        tiles = _turned(bump(side, self.norm, x), draw[:, :1]) * _signs(draw[:, 1:])
        tiled = tiles.transpose(3, 4).reshape(n, channels, down * side, across * side)
        top, left = (height - down * side) // 2, (width - across * side) // 2
        around = (left, width - across * side - left, top, height - down * side - top)
        return self._within(F.pad(tiled, around), x)

    def _changed(self, x_adv: Tensor, x: Tensor, draw: Tensor, query: int) -> Tensor:
        """``x_adv`` with a square changed, by random numbers (N, 5 + C)."""
        side = self.side(query, *x.shape[2:])
        here, there = window(x, side, draw[:, :2]), window(x, side, draw[:, 2:4])
        signs = _signs(draw[:, 5:, None, None])
        if self.norm == "linf":
            changed, clean, before = x_adv.clone(), x[here], x_adv[here]
            after = clamp(clean + self.eps * signs)
            idle = per_sample((after == before).flatten(1).all(1), x)
            changed[here] = torch.where(idle, clamp(clean - self.eps * signs), after)
            return changed
        delta, power = x_adv - x, 1 if self.norm == "l1" else 2
        rest = delta.clone()
        rest[here] = 0
        rest[there] = 0
        spent, left = (_per_channel(each, power) for each in (delta, rest))
        unspent = (self.eps**power - spent.sum(1, keepdim=True)).clamp_min(0) / x.shape[1]
        budget = ((spent - left).clamp_min(0) + unspent) ** (1 / power)
        old = delta[here]
        mixed = _turned(bump(side, self.norm, x), draw[:, 4:5, None, None]) * signs + _normed(old, power)
        rest[here] = _normed(mixed, power) * budget
        return self._within(rest, x)

    def _within(self, delta: Tensor, x: Tensor) -> Tensor:
        """x + delta, in l2 as long as ``eps`` before it is clipped to the box; in l1 the nearest within both."""
        if self.norm == "l2":
            return clamp(x + self.eps * unit(delta, "l2"))
        return confine(x + delta, x, "l1", self.eps)


def _signs(draw: Tensor) -> Tensor:
    return torch.where(draw < 0.5, -1.0, 1.0).to(draw.dtype)


def _turned(square: Tensor, draw: Tensor) -> Tensor:
    """As it is or transposed, equally likely, for each of ``draw`` (..., 1, 1)."""
    return torch.where(draw < 0.5, square, square.T)


def _per_channel(delta: Tensor, power: int) -> Tensor:
    return delta.abs().pow(power).sum((2, 3), keepdim=True)


def _normed(delta: Tensor, power: int) -> Tensor:
    return delta / _per_channel(delta, power).pow(1 / power).clamp_min(torch.finfo(delta.dtype).tiny)
