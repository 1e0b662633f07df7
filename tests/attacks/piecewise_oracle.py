"""Nets whose first class is a polytope: piecewise linear, the nearest adversarial image known, box and all."""

import torch
from torch import Tensor, nn


class Polytope(nn.Module):
    """Class 0 where every face has a·x < b; class k ≥ 1 gets the largest a·x − b of its own faces, class 0 gets 0.

    ``normals`` (F, D), ``offsets`` (F,); face f belongs to class 1 + f % (classes - 1).
    """

    def __init__(self, normals: Tensor, offsets: Tensor, classes: int = 2) -> None:
        super().__init__()
        self.normals, self.offsets = nn.Parameter(normals), nn.Parameter(offsets)
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        over = x.flatten(1) @ self.normals.T - self.offsets
        own = [over[:, k :: self.classes - 1].amax(1) for k in range(self.classes - 1)]
        return torch.stack([torch.zeros_like(own[0]), *own], 1)


def polytope(
    shape: tuple[int, ...], n: int, *, faces: int = 6, classes: int = 2, seed: int = 0
) -> tuple[Polytope, Tensor, Tensor]:
    """A net, and float64 images (n, *shape) with labels 0 that lie inside it, a quarter of their pixels 0 or 1.

    The faces differ in steepness, so that the one of the largest logit is often not the nearest; each can be crossed
    within the box.
    """
    g = torch.Generator().manual_seed(seed)
    pixels = torch.Size(shape).numel()
    x = 0.3 + 0.4 * torch.rand(n, pixels, generator=g, dtype=torch.float64)
    on_edge = torch.rand(n, pixels, generator=g) < 0.25
    x = torch.where(on_edge, x.round(), x)
    steepness = 4 ** (2 * torch.rand(faces, 1, generator=g, dtype=torch.float64) - 1)
    normals = steepness * torch.randn(faces, pixels, generator=g, dtype=torch.float64)
    lowest = (x @ normals.T).amax(0)
    highest = normals.clamp_min(0).sum(1)
    share = 0.02 + 0.3 * torch.rand(faces, generator=g, dtype=torch.float64)
    net = Polytope(normals, lowest + share * (highest - lowest), classes)
    return net, x.reshape(n, *shape), torch.zeros(n, dtype=torch.int64)


def distances(net: Polytope, x: Tensor, norm: str) -> Tensor:
    """How far each image (N, ...) inside is from the nearest image in the box that is not of class 0: (N,).

    The least over the faces: outside of any one of them is outside of class 0. One face is a linear constraint, whose
    nearest point has a known form in each norm.
    """
    x = x.flatten(1).double()
    normals = net.normals.detach().double()
    missing = net.offsets.detach().double() - x @ normals.T  # (N, F)
    gain = normals.abs().expand(len(x), -1, -1)  # (N, F, D), of a·x by a pixel's move towards the face
    room = torch.where(normals > 0, 1 - x[:, None], x[:, None])
    return _to_a_face(gain, room, missing, norm).amin(1)


def _to_a_face(gain: Tensor, room: Tensor, missing: Tensor, norm: str) -> Tensor:
    if norm in ("l1", "l0"):  # the most useful pixels first: by what a unit of distance buys
        worth = gain if norm == "l1" else gain * room
        order = worth.argsort(-1, descending=True)
        gain, room = gain.gather(-1, order), room.gather(-1, order)
        before = (gain * room).cumsum(-1) - gain * room
        need = (missing[..., None] - before).clamp_min(0)
        if norm == "l0":
            return (need > 0).sum(-1).double()
        return torch.minimum(room, need / gain).sum(-1)
    # Every pixel moves by min(t·weight, room), for the least t that suffices.
    weight = torch.ones_like(gain) if norm == "linf" else gain
    low, high = torch.zeros_like(missing), (room / weight).amax(-1)
    for _ in range(100):
        middle = (low + high) / 2
        enough = (gain * torch.minimum(middle[..., None] * weight, room)).sum(-1) >= missing
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    move = torch.minimum(high[..., None] * weight, room)
    return move.amax(-1) if norm == "linf" else move.norm(dim=-1)
