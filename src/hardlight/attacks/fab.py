"""FAB, the Fast Adaptive Boundary attack (Croce, Hein, ICML 2020)."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.boundary import AIM, nearest_boundary
from hardlight.attacks.goal import Goal, rivals, rounding
from hardlight.attacks.hyperplane import to_hyperplane
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import normal, uniform
from hardlight.tensors import clamp, norms, per_sample, unit

_HALVINGS = 10  # of the way from the image to the best that was found, at the end


@dataclass(frozen=True, kw_only=True)
class FAB(MinimalNorm):
    """Projections onto the linearised boundary, drawn towards the clean image, each from a step back inside.

    Each of ``steps`` steps projects the iterate and the image onto the nearest hyperplane of the linearised model,
    within the box, goes ``eta`` (at least 1) times as far, and mixes the two with a weight of at most ``alpha_max`` for
    the image's. The nearest iterate that fools the model is kept; from one that fools it the next step starts at
    ``beta`` of the way from the image. At the end the straight way from the image to the best is halved ten times.

    Ours: a random start (``random_start``, and every restart after the first) lies at half the image's own distance to
    the first hyperplane, where the paper has a radius to be set. Hyperplanes lie past the boundary by the model's
    rounding errors. After the first step gradients are taken of the classes that can still be nearest: one is passed
    over if, to be it, it would have to be more than ``slack`` times as steep as when last seen. The paper looks at all
    in every step, as a ``slack`` of 1e15 does.

    With ``target_classes`` (FAB-T, of which AutoAttack takes 9) there is a run towards each of so many likeliest other
    classes, at one backward pass a step. With a target, each step goes to its boundary with the class that leads.
    """

    norm: str = "linf"
    steps: int = 100
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9
    random_start: bool = False
    target_classes: int | None = None
    slack: float = 1.5

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("steps", self.steps, low=1)
        checks.fraction("alpha_max", self.alpha_max)
        checks.number("eta", self.eta, low=1)
        checks.fraction("beta", self.beta)
        checks.flag("random_start", self.random_start)
        if self.target_classes is not None:
            checks.whole("target_classes", self.target_classes, low=1)
        checks.number("slack", self.slack, low=1)

    @property
    def passes(self) -> int:
        return 1 + 2 * self.steps * (self.target_classes or 1) + _HALVINGS

    def again(self, restart: int) -> Self:
        return replace(super().again(restart), random_start=self.random_start or restart > 0)

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        logits = queries.logits(x)
        others = torch.ones_like(logits, dtype=torch.bool).scatter(1, goal.y[:, None], False)
        rows = (~goal.reached(logits)).nonzero().squeeze(1)
        best, length = x.clone(), torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
        if goal.targeted or self.target_classes is None:
            self._search(queries, x, goal, index, rows, others, best, length)
        else:
            for rival in rivals(logits, goal.y)[:, : self.target_classes].unbind(1):
                towards = torch.zeros_like(others).scatter(1, rival[:, None], True)
                self._search(queries, x, goal, index, rows, towards, best, length)
        return self._halved(queries, x, goal, best, length.isfinite().nonzero().squeeze(1))

    def _search(
        self,
        queries: Queries,
        x: Tensor,
        goal: Goal,
        index: Tensor,
        rows: Tensor,
        among: Tensor,
        best: Tensor,
        length: Tensor,
    ) -> None:
        """One run for ``rows``, to boundaries with the classes ``among`` (N, K); ``best`` keeps the nearest it sees."""
        x_adv, steep = x[rows], torch.zeros_like(among[rows], dtype=x.dtype)
        if self.random_start and len(rows):
            x_adv = self._start(queries, x_adv, goal[rows], rows, among[rows], index[rows])
        for _ in range(self.steps):
            if not len(rows):
                return
            origin, aim, before = x[rows], goal[rows], x_adv
            w, value = self._hyperplane(queries, x_adv, aim, rows, among[rows], steep)
            x_adv = self._step(x_adv, origin, w, value)
            fooled, size = aim.cleared(queries.logits(x_adv, rows)), norms(x_adv - origin, self.norm)
            nearer = fooled & (size < length[rows])
            best[rows[nearer]], length[rows[nearer]] = x_adv[nearer], size[nearer]
            x_adv = torch.where(per_sample(fooled, x_adv), origin + self.beta * (x_adv - origin), x_adv)
            moved = (x_adv != before).flatten(1).any(1)  # from where it did not it would go on not moving
            rows, x_adv, steep = rows[moved], x_adv[moved], steep[moved]

    def _hyperplane(
        self, queries: Queries, x: Tensor, goal: Goal, rows: Tensor, among: Tensor, steep: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The nearest: its normal, like ``x``, zero if there is none, and its linear function's value (N,) at x."""
        trace = queries.trace(x, rows)
        logits, y = trace.logits.to(x.dtype), goal.y[:, None]
        if goal.targeted:
            among = torch.zeros_like(among).scatter(1, rivals(logits, goal.y)[:, :1], True)
        lead = AIM * rounding(trace.logits)[:, None].to(x.dtype)
        values = logits - logits.gather(1, y) + (lead if goal.targeted else -lead)
        need = torch.where(among, values.abs(), torch.inf)
        _, normal, rival = nearest_boundary(
            queries, trace, x, goal.y, rows, need, steep, norm=self.norm, slack=self.slack
        )
        return normal, values.gather(1, rival[:, None]).squeeze(1)

    def _start(self, queries: Queries, x: Tensor, goal: Goal, rows: Tensor, among: Tensor, index: Tensor) -> Tensor:
        w, value = self._hyperplane(queries, x, goal, rows, among, torch.zeros_like(among, dtype=x.dtype))
        radius = norms(to_hyperplane(x, w, value, self.norm), self.norm) / 2
        if self.norm == "linf":
            noise = 2 * uniform(index, x, seed=self.seed, stream="fab") - 1
        else:
            noise = normal(index, x, seed=self.seed, stream="fab")
        return clamp(x + per_sample(radius, x) * unit(noise, self.norm))

    def _step(self, x_adv: Tensor, origin: Tensor, w: Tensor, value: Tensor) -> Tensor:
        here = to_hyperplane(x_adv, w, value, self.norm)
        there = to_hyperplane(origin, w, value + (w * (origin - x_adv)).flatten(1).sum(1), self.norm)
        near, far = norms(here, self.norm), norms(there, self.norm)
        alpha = (near / (near + far).clamp_min(torch.finfo(near.dtype).tiny)).clamp_max(self.alpha_max)
        alpha = per_sample(alpha, x_adv)
        return clamp((1 - alpha) * (x_adv + self.eta * here) + alpha * (origin + self.eta * there))

    def _halved(self, queries: Queries, x: Tensor, goal: Goal, best: Tensor, rows: Tensor) -> Tensor:
        """``best`` with ``rows`` brought nearer to x on the straight way, as far as they are seen to fool."""
        origin, way, aim = x[rows], best[rows] - x[rows], goal[rows]
        low, high = torch.zeros_like(way.flatten(1)[:, 0]), torch.ones_like(way.flatten(1)[:, 0])
        for _ in range(_HALVINGS if len(rows) else 0):
            middle = (low + high) / 2
            tried = clamp(origin + per_sample(middle, way) * way)
            fooled = aim.cleared(queries.logits(tried, rows))
            best[rows[fooled]] = tried[fooled]
            low, high = torch.where(fooled, low, middle), torch.where(fooled, middle, high)
        return best
