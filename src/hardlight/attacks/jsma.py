"""JSMA, the Jacobian-based saliency map attack (Papernot, McDaniel, Jha, Fredrikson, Celik, Swami, EuroS&P 2016)."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.goal import Goal, rivals
from hardlight.attacks.queries import Queries, Trace
from hardlight.attacks.randomness import uniform
from hardlight.attacks.saliency import best_one, best_pair, top_two
from hardlight.tensors import clamp, norms, unit

RULES = ("pair", "single", "target")
OUTPUTS = ("logits", "softmax")
TARGETS = ("random", "least_likely", "all")

LEAST_THETA = 1e-3


@dataclass(frozen=True, kw_only=True)
class JSMA(MinimalNorm):
    """Step by step it moves by ``theta`` the features (a pixel's channels are features of their own) that do most.

    ``rule`` chooses them, by what a step adds to the target's output (the gain) and takes off the sum of the others
    (the drop). ``pair``, the paper's: the two features of largest product of summed gain and summed drop, both
    positive. ``single``: the one of largest gain·drop. ``target``: the two of largest gain, be it negative, whatever
    the drop. Where none has what the rule asks for, the image is given up and stays as it was.

    ``outputs`` are the ``softmax``, or the ``logits``, which the paper used. Softmax sums to 1, so that drop and gain
    are equal and a step of any rule takes one backward pass, not two. Features are ranked there by the log-probability,
    which orders them as the probability does and does not vanish where that rounds to 0.

    ``theta`` is the step in pixel units, of size 0.001…1: above 0 it raises pixels, below 0 it lowers them. With
    ``reuse`` a feature may be moved until it is at the edge of the box, without it once. ``gamma`` in (0, 1] is the
    share of the features that may change.

    Untargeted, ``targets`` says where to go: to ``all`` the classes in turn, keeping the smallest change, to the one
    ``least_likely`` on the clean image, or to a ``random`` one. Unlike the paper's, which knows targets alone, it ends
    at any class that is not the label.
    """

    norm: str = "l0"
    rule: str = "pair"
    outputs: str = "softmax"
    theta: float = 1.0
    gamma: float = 1.0
    reuse: bool = True
    targets: str = "all"

    norms: ClassVar[tuple[str, ...]] = ("l0",)
    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("rule", self.rule, RULES)
        checks.one_of("outputs", self.outputs, OUTPUTS)
        checks.number("theta", self.theta, low=-1, high=1)
        if abs(self.theta) < LEAST_THETA:
            raise ValueError(f"theta must be at least {LEAST_THETA} above or below 0, got {self.theta!r}")
        checks.number("gamma", self.gamma, low=0, high=1, strict_low=True)
        checks.flag("reuse", self.reuse)
        checks.one_of("targets", self.targets, TARGETS)

    def again(self, restart: int) -> Self:
        return replace(super().again(restart), targets="random" if restart else self.targets)

    @property
    def passes(self) -> int:
        steps = math.ceil(20 / abs(self.theta)) if self.reuse else 50
        return 1 + steps * (9 if self.targets == "all" else 1)

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        logits = queries.logits(x)
        x_adv = x.clone()
        changed = torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
        rows = (~goal.cleared(logits)).nonzero().squeeze(1)
        for target in self._targets(logits, goal, index):
            self._towards(target, queries, x, goal, rows, x_adv, changed)
        return x_adv

    def _targets(self, logits: Tensor, goal: Goal, index: Tensor) -> list[Tensor]:
        """Classes to go to, in turn: (N,) each."""
        if goal.targeted:
            return [goal.y]
        others = logits.shape[1] - 1
        if self.targets == "random":
            drawn = uniform(index, logits[:, :1].double(), seed=self.seed, stream="jsma").squeeze(1)
            return [(goal.y + 1 + (drawn * others).long()) % (others + 1)]
        ranked = rivals(logits, goal.y)
        return [ranked[:, -1]] if self.targets == "least_likely" else list(ranked.unbind(1))

    def _towards(
        self, target: Tensor, queries: Queries, x: Tensor, goal: Goal, rows: Tensor, x_adv: Tensor, changed: Tensor
    ) -> None:
        """Writes into ``x_adv`` and ``changed`` what it finds for ``rows`` with fewer features ``changed``."""
        origin = now = x[rows]
        while len(rows):
            trace = queries.trace(now, rows)
            done = goal[rows].cleared(trace.logits)
            x_adv[rows[done]], changed[rows[done]] = now[done], norms(now - origin, "l0")[done]
            flat = now.flatten(1)
            chosen, found = self._choose(trace, target[rows], flat, origin.flatten(1))
            now = flat.scatter(1, chosen, clamp(flat.gather(1, chosen) + self.theta)).reshape(now.shape)
            going = (found & ~done & (norms(now - origin, "l0") < changed[rows])).nonzero().squeeze(1)
            rows, now, origin = rows[going], now[going], origin[going]

    def _choose(self, trace: Trace, target: Tensor, now: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
        """The features to move (N, 1 or 2), and where there are any (N,)."""
        moved = now != origin
        room = moved.sum(1, keepdim=True) + (1 if self.rule == "single" else 2) <= self.gamma * now.shape[1]
        usable = (now < 1 if self.theta > 0 else now > 0) & ((moved | room) if self.reuse else (~moved & room))

        def slope(by_logits: Tensor, again: bool = False) -> Tensor:
            gradient = trace.gradient(math.copysign(1, self.theta) * by_logits, again=again).flatten(1)
            return unit(gradient.where(usable, 0), "linf").masked_fill(~usable, -torch.inf)  # products do not underflow

        own = torch.zeros_like(trace.logits).scatter(1, target[:, None], 1.0)
        if self.outputs == "softmax":
            gain = drop = slope(own - trace.logits.softmax(1))
        elif self.rule == "target":
            gain = drop = slope(own)
        else:
            gain, drop = slope(own, again=True), slope(own - 1)
        if self.rule == "target":
            chosen, worth = top_two(gain)
            return chosen, worth.isfinite() & (worth != 0)
        if self.rule == "single":
            chosen, worth = best_one(gain, drop)
        else:
            chosen, worth = top_two(gain) if drop is gain else best_pair(gain, drop)
        return chosen, worth > 0
