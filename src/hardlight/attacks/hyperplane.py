"""The nearest point of a hyperplane inside the pixel box, in linf, l2 and l1: exact, for whole batches."""

import torch
from torch import Tensor


def to_hyperplane(x: Tensor, normal: Tensor, value: Tensor, norm: str) -> Tensor:
    """The least step δ in ``norm`` with value + normal·δ = 0 and x + δ in the box, like ``x`` (N, ...).

    ``value`` (N,) is that of the linear function at x. Where the hyperplane misses the box: the step to the point of
    the box that is nearest to it. Pixels that the normal does not name stay.
    """
    flat, w = x.flatten(1), normal.flatten(1)
    way = -torch.sign(w) * torch.sign(value)[:, None]
    largest = w.abs().amax(1).clamp_min(torch.finfo(w.dtype).tiny)
    gain, need = w.abs() / largest[:, None], value.abs() / largest  # so that the squares of tiny ones do not vanish
    room = torch.where(way > 0, 1 - flat, flat) * (way != 0)
    step = _greedy(gain, room, need) if norm == "l1" else _levelled(gain, room, need, norm)
    return (way * step).reshape(x.shape)


def _levelled(gain: Tensor, room: Tensor, need: Tensor, norm: str) -> Tensor:
    """min(t·weight, room) with the least t ≥ 0 for which gain·step = need: weight is 1 in linf, the gain in l2.

    Newton's method from below: gain·step is concave in t and linear between the points where a pixel runs out of room,
    so that every step but the last passes one of these, many at once at first.
    """
    weight = torch.ones_like(gain) if norm == "linf" else gain
    spent, rate = gain * room, gain * weight
    t = torch.zeros_like(need)
    while True:
        full = ~(room > t[:, None] * weight)  # also where that is ∞·0
        left = need - torch.where(full, spent, 0).sum(1)
        slope = torch.where(full, 0, rate).sum(1)
        further = torch.where(slope > 0, left / slope, torch.inf)
        if not bool((further > t).any()):
            return torch.where(full, room, t[:, None] * weight)
        t = torch.maximum(t, further)


def _greedy(gain: Tensor, room: Tensor, need: Tensor) -> Tensor:
    """The room of the pixels of largest gain, in order, until the need is met."""
    order = gain.argsort(1, descending=True)
    gain_, room_ = gain.gather(1, order).double(), room.gather(1, order).double()
    full = gain_ * room_
    before = full.cumsum(1) - full
    left = torch.where(gain_ > 0, (need[:, None] - before) / gain_, 0).clamp_min(0)
    return torch.zeros_like(room).scatter(1, order, torch.minimum(left, room_).to(room.dtype))
