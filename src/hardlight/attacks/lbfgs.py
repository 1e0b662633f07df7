"""The box-constrained L-BFGS attack (Szegedy et al., ICLR 2014)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hardlight import checks
from hardlight.attacks.attack import MinimalNorm
from hardlight.attacks.const_search import LARGEST_CONST, MOST_SEARCH_STEPS, ConstSearch
from hardlight.attacks.goal import Goal
from hardlight.attacks.nearest import Nearest
from hardlight.attacks.queries import Queries
from hardlight.tensors import clamp, norms, per_sample

MOST_STEPS = 1_000_000
_HISTORY = 10  # pairs of steps and changes of the gradient
_ENOUGH = 1e-4  # of the fall that the slope promises (Armijo)
_LEAST_FALL = 1e-6  # that a step must promise, of the value


@dataclass(frozen=True, kw_only=True)
class LBFGS(MinimalNorm):
    """Minimises ‖x_adv - x‖₂² + const · loss(x_adv) within the box, with a search for each sample's const.

    The loss is the target's cross-entropy; untargeted, where the paper has nothing, -log(1 - p_y), which leads towards
    all likely classes at once. const begins at ``initial_const``, rises tenfold until an image is found, and then is
    bisected: ``binary_search_steps`` minimisations of at most ``steps`` passes, each from the clean image. The nearest
    image seen in any of them is returned.

    Every sample has its own limited memory and its own steps, halved until they lower the loss. Pixels at the edge of
    the box that the gradient would push out are held; the others take the quasi-Newton step, projected.
    """

    binary_search_steps: int = 9
    initial_const: float = 1.0
    steps: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("binary_search_steps", self.binary_search_steps, low=1, high=MOST_SEARCH_STEPS)
        checks.number("initial_const", self.initial_const, low=0, strict_low=True, high=LARGEST_CONST)
        checks.whole("steps", self.steps, low=1, high=MOST_STEPS)

    @property
    def passes(self) -> int:
        return 1 + self.binary_search_steps * self.steps

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        rows = (~goal.cleared(queries.logits(x))).nonzero().squeeze(1)
        queries, origin, goal = queries.part(rows), x[rows], replace(goal[rows], loss="cross_entropy")
        nearest = Nearest(origin, "l2")
        search = ConstSearch(nearest.length, self.initial_const)
        for _ in range(self.binary_search_steps if len(rows) else 0):
            found, tried = self._minimise(queries, origin, goal, search.const)
            nearest.offer(tried, found)
            search.narrow(found)
        x_adv = x.clone()
        x_adv[rows] = nearest.x_adv
        return x_adv

    def _minimise(self, queries: Queries, x: Tensor, goal: Goal, const: Tensor) -> tuple[Tensor, Tensor]:
        """Where an image was found on the way to the minimum (N,), and there the one nearest to x; elsewhere x."""
        rows, best, nearest = torch.arange(len(x), device=x.device), x.clone(), torch.full_like(const, torch.inf)
        origin = point = tried = x.flatten(1)
        gradient = direction = torch.zeros_like(origin)
        value, size = nearest.clone(), torch.ones_like(const)
        memory = _Memory(origin)
        for _ in range(self.steps):
            images = tried.reshape(-1, *x.shape[1:])
            trace = queries.trace(images, rows)
            logits, delta = trace.logits.requires_grad_(), tried - origin
            loss = softplus(-goal.value(logits))
            (by_logits,) = torch.autograd.grad(loss.sum(), logits)
            length = norms(delta, "l2")
            better = goal.cleared(logits.detach()) & (length < nearest[rows])
            best[rows] = torch.where(per_sample(better, x), images, best[rows])
            nearest[rows] = torch.where(better, length, nearest[rows])

            slope = 2 * delta + const[:, None] * trace.gradient(by_logits).flatten(1)
            height = length.square() + const * loss.detach().to(x.dtype)
            taken = height <= value + _ENOUGH * _dot(tried - point, gradient)
            memory.keep(tried - point, slope - gradient, taken)
            point, gradient = torch.where(taken[:, None], tried, point), torch.where(taken[:, None], slope, gradient)
            value, size = torch.where(taken, height, value), torch.where(taken, 1, size / 2)
            held = ((point <= 0) & (gradient > 0)) | ((point >= 1) & (gradient < 0))
            free = gradient.masked_fill(held, 0)
            newton = memory.times(free).masked_fill(held, 0)
            newton = -torch.where((_dot(newton, free) > 0)[:, None], newton, free)
            direction = torch.where(taken[:, None], newton, direction)
            tried = clamp(point + size[:, None] * direction)
            on = _dot(point - tried, gradient) > _LEAST_FALL * value
            if not bool(on.all()):
                rows, origin, goal, const, point, tried = (
                    rows[on],
                    origin[on],
                    goal[on],
                    const[on],
                    point[on],
                    tried[on],
                )
                gradient, direction, value, size = gradient[on], direction[on], value[on], size[on]
                memory.part(on)
                if not len(rows):
                    break
        return nearest.isfinite(), best


class _Memory:
    """Of each sample's last steps, and what they changed in its gradient: an inverse Hessian, by the two loops."""

    def __init__(self, like: Tensor) -> None:
        self._steps = self._changes = like.new_zeros(_HISTORY, *like.shape)
        self._scale = like.new_full((len(like),), 0.5)  # what the squared distance alone would have

    def keep(self, step: Tensor, change: Tensor, where: Tensor) -> None:
        curved, steep = _dot(step, change), _dot(change, change)
        where = where & (curved > 1e-8 * steep)
        self._steps = torch.where(where[:, None], torch.cat([self._steps[1:], step[None]]), self._steps)
        self._changes = torch.where(where[:, None], torch.cat([self._changes[1:], change[None]]), self._changes)
        self._scale = torch.where(where, curved / steep, self._scale)

    def times(self, gradient: Tensor) -> Tensor:
        """The inverse Hessian's product with ``gradient`` (N, D); an empty place of the memory changes nothing."""
        curved = _dot(self._steps, self._changes)
        weight = torch.where(curved > 0, 1 / curved, 0)
        shares = []
        for step, change, by in reversed(list(zip(self._steps, self._changes, weight, strict=True))):
            share = by * _dot(step, gradient)
            gradient = gradient - share[:, None] * change
            shares.append(share)
        gradient = self._scale[:, None] * gradient
        for step, change, by in zip(self._steps, self._changes, weight, strict=True):
            gradient = gradient + (shares.pop() - by * _dot(change, gradient))[:, None] * step
        return gradient

    def part(self, on: Tensor) -> None:
        self._steps, self._changes, self._scale = self._steps[:, on], self._changes[:, on], self._scale[on]


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(-1)
