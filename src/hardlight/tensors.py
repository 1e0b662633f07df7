"""Per-sample norms, steps and projections on batches of images (N, C, H, W) with pixels in [0, 1]."""

import torch
from torch import Tensor

NORMS = ("linf", "l2", "l1", "l0")
DUAL = {"linf": "l1", "l2": "l2", "l1": "linf"}
"""The norm of a gradient that tells how much a step of norm 1 changes a linear function."""


def pixels(images: Tensor) -> Tensor:
    """Images as nets get them: of bytes, float32 in [0, 1], and 255 is 1; floats as they are."""
    if images.dtype != torch.uint8:
        return images
    # By a tensor: CUDA divides by a Python number through its reciprocal, which is off by a bit now and then.
    return images.float().div_(torch.full((), 255.0, device=images.device))


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """One value a sample (N,), shaped to broadcast against ``like`` (N, ...)."""
    return values.reshape(-1, *[1] * (like.dim() - 1))


def norms(delta: Tensor, norm: str) -> Tensor:
    """The norm of each sample of ``delta`` (N, ...): (N,)."""
    flat = delta.flatten(1)
    if norm == "linf":
        return flat.abs().amax(1)
    if norm == "l2":
        length: Tensor = torch.linalg.vector_norm(flat, dim=1)
        return length
    if norm == "l1":
        return flat.abs().sum(1)
    if norm == "l0":
        return (flat != 0).sum(1).to(delta.dtype)
    raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")


def clamp(x: Tensor) -> Tensor:
    """Into the pixel box [0, 1]."""
    return x.clamp(0, 1)


def surrogate(value: Tensor, smooth: Tensor) -> Tensor:
    """Exactly ``value``, with the gradient of ``smooth``."""
    return value.detach() + (smooth - smooth.detach())


def unit(delta: Tensor, norm: str) -> Tensor:
    """Each sample scaled to norm 1; a sample that is all zero stays so.

    Scaled by its largest entry first, so that tiny gradients do not underflow when squared.
    """
    largest = per_sample(norms(delta, "linf"), delta)
    scaled = delta / largest.masked_fill(largest == 0, 1)
    if norm == "linf":
        return scaled
    return scaled / per_sample(norms(scaled, norm), delta).clamp_min(torch.finfo(delta.dtype).tiny)


def project(delta: Tensor, norm: str, eps: float | Tensor) -> Tensor:
    """The nearest point (Euclidean) of the ball of radius ``eps``, one number or one a sample (N,), but not for l1.

    In l0 the ``eps`` largest entries stay, of equal ones the first.
    """
    if not isinstance(eps, Tensor):
        eps = torch.full((len(delta),), eps, dtype=delta.dtype, device=delta.device)
    radius = per_sample(eps, delta)
    if norm == "linf":
        return delta.clamp(-radius, radius)
    if norm == "l2":
        length = per_sample(norms(delta, "l2"), delta)
        return delta * (radius / length.clamp_min(torch.finfo(delta.dtype).tiny)).clamp_max(1)
    if norm == "l0":
        size = delta.flatten(1).abs()
        count = radius.reshape(-1, 1).clamp(0, size.shape[1]).long()
        largest = size.topk(max(count.flatten().tolist(), default=0), dim=1).values
        least = torch.cat([torch.full_like(size[:, :1], torch.inf), largest], 1).gather(1, count)  # that stays
        more, equal = size > least, size == least
        stays = more | (equal & (equal.cumsum(1) <= count - more.sum(1, keepdim=True)))
        return delta * stays.reshape(delta.shape)
    raise ValueError(f"projection is defined for linf, l2 and l0, got {norm!r}")


def project_l1_box(delta: Tensor, eps: float | Tensor, x: Tensor) -> Tensor:
    """The nearest point (Euclidean) of the l1 ball of radius ``eps`` that leaves x + delta in the box [0, 1].

    It is sign(δ)·min(max(|δ| - λ, 0), room), room being what the box leaves; its norm falls piecewise linearly in λ,
    and sorting the 2·pixels points where it bends gives the λ >= 0 at which it is ``eps`` (Croce and Hein, ICML 2021).
    Of these only the ones above a lower bound of λ are sorted, which are few.
    """
    flat, x = delta.flatten(1), x.flatten(1)
    eps = eps[:, None] if isinstance(eps, Tensor) else eps
    room = torch.where(flat > 0, 1 - x, x)
    size = flat.abs().masked_fill(room == 0, 0)
    bound = torch.zeros_like(size[:, :1])
    for _ in range(3):  # the norm falls no faster than by the number of pixels that are left
        left = torch.minimum(size - bound, room).clamp_min(0)
        fall = (left.sum(1, keepdim=True) - eps) / left.count_nonzero(1)[:, None].clamp_min(1)
        bound = bound + fall.clamp_min(0)
    bends = torch.cat([size, size - room], 1).clamp_min(bound)
    most = max([1, *(bends > bound).sum(1).tolist()])
    bends, order = bends.topk(most, dim=1)
    falling = torch.where(order < size.shape[1], 1, -1).cumsum(1)  # how fast the norm grows below each bend
    below = torch.cat([bends[:, 1:], bound], 1)
    norm = ((bends - below) * falling).cumsum(1, dtype=torch.float64)  # at the next bend
    first = (norm < eps).sum(1, keepdim=True).clamp_max(norm.shape[1] - 1)
    excess = (norm.gather(1, first) - eps).clamp_min(0) / falling.gather(1, first).clamp_min(1)
    threshold = below.gather(1, first) + excess.to(size.dtype)
    return (torch.minimum((size - threshold).clamp_min(0), room) * flat.sign()).reshape(delta.shape)


def confine(x_adv: Tensor, x: Tensor, norm: str, eps: float | Tensor) -> Tensor:
    """Into the ball of radius ``eps``, one number or one a sample (N,), around ``x`` and the box [0, 1].

    In linf and l1 to the nearest such point; in l2 and l0 into the ball, then into the box.
    """
    delta = x_adv - x
    return clamp(x + (project_l1_box(delta, eps, x) if norm == "l1" else project(delta, norm, eps)))


def steepest(gradient: Tensor, norm: str, eps: float, x: Tensor) -> Tensor:
    """The step of norm ``eps`` that raises a linear loss most: eps·sign(g) in linf, eps·g/‖g‖₂ in l2.

    In l1 it fills the pixels of largest gradient to the edge of the box, in order, until ``eps`` is spent: the exact
    maximiser over the l1 ball within [0, 1], where a single pixel could move by at most 1.
    """
    if norm == "linf":
        return eps * gradient.sign()
    if norm == "l2":
        return eps * unit(gradient, "l2")
    if norm == "l1":
        g = gradient.flatten(1)
        room = torch.where(g > 0, 1 - x.flatten(1), x.flatten(1)) * (g != 0)
        order = g.abs().argsort(dim=1, descending=True, stable=True)
        room = room.gather(1, order)
        spent_before = room.cumsum(1, dtype=torch.float64) - room  # many small rooms must not add up to more than eps
        step = torch.minimum(room, (eps - spent_before).clamp_min(0).to(g.dtype))
        return (torch.zeros_like(g).scatter(1, order, step) * g.sign()).reshape(gradient.shape)
    raise ValueError(f"norm must be one of linf, l2, l1, got {norm!r}")
