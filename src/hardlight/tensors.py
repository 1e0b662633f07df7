"""Per-sample norms, steps and projections on batches of images (N, C, H, W) with pixels in [0, 1]."""

import torch
from torch import Tensor

NORMS = ("linf", "l2", "l1", "l0")


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
    scaled = torch.where(largest > 0, delta / largest, 0)
    return scaled / per_sample(norms(scaled, norm), delta).clamp_min(torch.finfo(delta.dtype).tiny)


def project(delta: Tensor, norm: str, eps: float) -> Tensor:
    """The nearest point (Euclidean) of the ball of radius ``eps``, for linf and l2."""
    if norm == "linf":
        return delta.clamp(-eps, eps)
    if norm == "l2":
        length = per_sample(norms(delta, "l2"), delta)
        return delta * (eps / length.clamp_min(torch.finfo(delta.dtype).tiny)).clamp_max(1)
    raise ValueError(f"projection is defined for linf and l2, got {norm!r}")


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
