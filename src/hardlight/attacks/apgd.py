"""Auto-PGD (Croce and Hein, ICML 2020), and its l1 form (Croce and Hein, ICML 2021)."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.apgd_steps import Climb, Halving, Sparse, Steps
from hardlight.attacks.early_stop import EarlyStop
from hardlight.attacks.goal import LOSSES, Goal, rivals
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal, uniform
from hardlight.attacks.worst import Worst
from hardlight.tensors import confine, unit


@dataclass(frozen=True, kw_only=True)
class APGD(EarlyStop):
    """Ascent whose step size needs no tuning: it is halved, from the best iterate on, where progress is poor.

    From a random point it takes ``steps`` steps. ``rho`` is the share of them in which the loss has to rise for the
    size to stay; l1, whose steps are sparse, has no use for it. ``loss`` is ``cross_entropy``, ``margin``, ``dlr`` or
    ``targeted_dlr``: a run of ``steps`` towards each of the ``target_classes`` other classes most likely on the clean
    image, in turn. An attack with a target of its own is one run towards that, and ``dlr`` is then ``targeted_dlr``.
    ``early_stop`` lets a sample go as soon as it fools the model.

    Unlike in the papers the cross-entropy is climbed by its log-odds, so that no confidence makes its gradient vanish;
    DLR is there for two and three classes too; the best iterate is one that fools the model before any that does not,
    and never the clean image itself; the start in linf is uniform in the ball; and in l1 a tenth of the steps are
    spent within eps before the ball is widened.
    """

    steps: int = 100
    loss: str = "cross_entropy"
    target_classes: int = 9
    rho: float = 0.75

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        checks.one_of("loss", self.loss, (*LOSSES, "targeted_dlr"))
        checks.whole("target_classes", self.target_classes, low=1)
        checks.fraction("rho", self.rho)

    @property
    def passes(self) -> int:
        climb = 1 + self.steps
        return 1 + self.target_classes * (climb + 1) if self.loss == "targeted_dlr" else climb

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        if self.loss != "targeted_dlr":
            return self._climb(queries, x, replace(goal, loss=self.loss), index)
        goal = replace(goal, loss="dlr")
        if goal.targeted:
            return self._climb(queries, x, goal, index)
        likely = rivals(queries.logits(x), goal.y)[:, : self.target_classes]
        worst = Worst(queries, x, goal)
        for turn, rival in enumerate(likely.unbind(1)):
            rows = worst.standing if self.early_stop else torch.arange(len(x), device=x.device)
            if not len(rows):
                break
            towards = replace(goal[rows], rival=rival[rows])
            worst.offer(self._climb(queries.part(rows), x[rows], towards, index[rows], turn), rows)
        return worst.x_adv

    def _climb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor, turn: int = 0) -> Tensor:
        result, active = x.clone(), torch.arange(len(x), device=x.device)
        start = self._start(x, index, turn)
        climb = Climb.start(x, confine(start, x, self.norm, self.eps))
        if self.norm == "l1":
            rule: Steps = Sparse(start, climb, self.eps, self.steps)
        else:
            rule = Halving(climb, self.norm, self.eps, self.steps, self.rho)
        for done in range(self.steps + 1):
            if done < self.steps:
                gradient, logits = queries.gradient(climb.x_adv, goal, active)
            else:
                gradient, logits = climb.gradient, queries.logits(climb.x_adv, active)
            reached = goal.reached(logits)
            allowed = torch.ones_like(reached) if self.early_stop else (climb.x_adv != climb.x).flatten(1).any(1)
            climb = climb.seen(gradient, goal.value(logits).to(x.dtype), reached, allowed)
            if done == self.steps:
                break
            climb = rule.judge(climb, done)
            if self.early_stop and not rule.wide and bool(reached.any()):
                result[active] = climb.best
                left = ~reached
                active, goal, climb = active[left], goal[left], climb[left]
                rule.keep(left)
                if not len(active):
                    break
            climb = rule.step(climb, done)
        result[active] = climb.best
        return result

    def _start(self, x: Tensor, index: Tensor, turn: int) -> Tensor:
        """A random point, not yet confined."""
        if self.norm == "linf":
            return x + (2 * uniform(index, x, seed=self.seed, stream="apgd", draw=turn) - 1) * self.eps
        noise = normal(index, x, seed=self.seed, stream="apgd", draw=turn)
        return x + (self.eps * unit(noise, "l2") if self.norm == "l2" else noise)
