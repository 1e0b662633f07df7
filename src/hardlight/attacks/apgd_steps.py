"""How Auto-PGD steps, and what it makes of its progress at checkpoints."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from hardlight.tensors import confine, norms, per_sample, steepest


@dataclass(frozen=True)
class Climb:
    """Where each of the samples still climbing is: a row of every tensor.

    ``best`` is the iterate of highest loss, one that fools the model before any that does not.
    """

    x: Tensor
    x_adv: Tensor
    gradient: Tensor
    loss: Tensor
    best: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    fooled: Tensor

    @classmethod
    def start(cls, x: Tensor, x_adv: Tensor) -> Self:
        lowest = torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
        nowhere = torch.zeros_like(x)
        return cls(x, x_adv, nowhere, lowest, x, nowhere, lowest, lowest > 0)

    def seen(self, gradient: Tensor, loss: Tensor, reached: Tensor, allowed: Tensor) -> Self:
        """With what a pass at ``x_adv`` found; only where ``allowed`` may that be the best."""
        better = (reached & ~self.fooled) | ((reached == self.fooled) & (loss > self.best_loss))
        better &= allowed
        image = per_sample(better, self.x)
        return replace(
            self,
            gradient=gradient,
            loss=loss,
            best=torch.where(image, self.x_adv, self.best),
            best_gradient=torch.where(image, gradient, self.best_gradient),
            best_loss=torch.where(better, loss, self.best_loss),
            fooled=torch.where(better, reached, self.fooled),
        )

    def back(self, rows: Tensor) -> Self:
        """Where ``rows`` (N,) bool says so, at the best again."""
        image = per_sample(rows, self.x)
        return replace(
            self,
            x_adv=torch.where(image, self.best, self.x_adv),
            gradient=torch.where(image, self.best_gradient, self.gradient),
            loss=torch.where(rows, self.best_loss, self.loss),
        )

    def __getitem__(self, rows: Tensor) -> Self:
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


class Steps(ABC):
    """The steps of one climb, of ``steps`` steps within ``eps``."""

    wide = False
    """Whether it is beyond eps for now, where what fools the model does not count."""

    @abstractmethod
    def judge(self, climb: Climb, done: int) -> Climb:
        """Called after the pass that follows ``done`` steps: sizes change, and some go back to their best."""

    @abstractmethod
    def step(self, climb: Climb, done: int) -> Climb:
        """On to the next iterate."""

    def keep(self, rows: Tensor) -> None:
        """Of all samples only ``rows`` climb on."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor | Climb):
                setattr(self, name, value[rows])


class Halving(Steps):
    """Steepest ascent with momentum in linf and l2 (Croce and Hein, ICML 2020, algorithm 1).

    Its size starts at 2·eps. At a checkpoint it is halved, and the sample goes back to its best, where the loss rose in
    less than ``rho`` of the steps since the last one, or where neither size nor best loss changed since then.
    """

    MOMENTUM = 0.25

    def __init__(self, climb: Climb, norm: str, eps: float, steps: int, rho: float) -> None:
        self.norm, self.eps, self.steps, self.rho = norm, eps, steps, rho
        self.size = torch.full_like(climb.loss, 2 * eps)
        self.before: Tensor | None = None
        self.loss = self.checked = climb.loss
        self.rises = torch.zeros_like(climb.loss)
        self.halved = torch.zeros_like(climb.fooled)
        self.last, self.next, self.percent, self.gap = 0, 0, 0, 22

    def judge(self, climb: Climb, done: int) -> Climb:
        self.rises += climb.loss > self.loss
        if done == self.next:
            if done:
                poor = self.rises < self.rho * (done - self.last)
                poor |= ~self.halved & (climb.best_loss == self.checked)
                self.size = torch.where(poor, self.size / 2, self.size)
                self.halved = poor
                climb = climb.back(poor)
            self.checked = climb.best_loss
            self.rises = torch.zeros_like(self.rises)
            self.last = done
            self.percent += self.gap
            self.gap = max(self.gap - 3, 6)
            self.next = max(-(-self.percent * self.steps // 100), done + 1)
        self.loss = climb.loss
        return climb

    def step(self, climb: Climb, done: int) -> Climb:
        x, x_adv = climb.x, climb.x_adv
        size = per_sample(self.size, x)
        moved = confine(x_adv + size * steepest(climb.gradient, self.norm, 1.0, x_adv), x, self.norm, self.eps)
        if self.before is not None:
            moved = x_adv + (1 - self.MOMENTUM) * (moved - x_adv) + self.MOMENTUM * (x_adv - self.before)
            moved = confine(moved, x, self.norm, self.eps)
        self.before = x_adv
        return replace(climb, x_adv=moved)


class Sparse(Steps):
    """Steps along the signs of the largest entries of the gradient in l1 (Croce and Hein, ICML 2021, algorithms 1, 2).

    Their number is 2/3 of the pixels that the best perturbation changes; their size starts at eps. At a checkpoint,
    every 4 % of the steps, it is eps again, and the sample goes back to its best, where that has become sparser by more
    than 5 %; elsewhere it is divided by 1.5, down to eps/10.

    It does so within 3·eps, 2·eps and eps in turn, for 30, 30 and 40 % of the steps, each from what the last found.
    Ours is a first tenth of the steps within eps: where that fools the model, as it mostly does, nothing more is
    needed. Below 20 steps it is all there is.
    """

    def __init__(self, start: Tensor, climb: Climb, eps: float, steps: int) -> None:
        self.eps, self.steps, self.start = eps, steps, start
        tenth = steps // 10
        third = 3 * (steps - tenth) // 10
        begins = (tenth, tenth + third, tenth + 2 * third, steps)
        self.parts = {} if steps < 20 else dict(zip(begins, zip((3, 2, 1), begins[1:], strict=False), strict=False))
        self.within_eps = climb
        self._enter(climb, 1, 0, steps if steps < 20 else tenth)

    def _enter(self, climb: Climb, factor: int, first: int, last: int) -> None:
        self.wide = factor > 1
        self.radius = factor * self.eps
        self.first, self.every = first, max(4 * (last - first) // 100, 1)
        self.size = torch.full_like(climb.loss, self.radius)
        self.changed = _changed(climb.x_adv - climb.x)

    def judge(self, climb: Climb, done: int) -> Climb:
        if done > self.first and (done - self.first) % self.every == 0:
            changed = _changed(climb.best - climb.x)
            sparser = changed < 0.95 * self.changed
            self.size = torch.where(sparser, self.radius, (self.size / 1.5).clamp_min(self.radius / 10))
            self.changed = changed
            climb = climb.back(sparser)
        return climb

    def step(self, climb: Climb, done: int) -> Climb:
        if done in self.parts:
            return self._jump(climb, done)
        steep = climb.gradient.flatten(1).abs()
        rank = (self.changed / 1.5).long().clamp_min(1) - 1
        least = steep.sort(dim=1, descending=True).values.gather(1, rank[:, None])
        signs = (climb.gradient.flatten(1).sign() * (steep >= least)).reshape(climb.x.shape)
        size = self.size / norms(signs, "l0").clamp_min(1)
        return replace(climb, x_adv=confine(climb.x_adv + per_sample(size, signs) * signs, climb.x, "l1", self.radius))

    def _jump(self, climb: Climb, done: int) -> Climb:
        """Into the next part; what the first found within eps is kept for the last."""
        factor, last = self.parts[done]
        if factor == 3:
            self.within_eps = climb
        source = self.start if factor == 3 else climb.best
        x_adv = confine(source, climb.x, "l1", factor * self.eps)
        climb = Climb.start(climb.x, x_adv) if factor > 1 else replace(self.within_eps, x_adv=x_adv)
        self._enter(climb, factor, done + 1, last)
        return climb


def _changed(delta: Tensor) -> Tensor:
    """How many pixels, rounding errors apart: (N,)."""
    return (delta.flatten(1).abs() > 16 * torch.finfo(delta.dtype).eps).sum(1).to(delta.dtype)
