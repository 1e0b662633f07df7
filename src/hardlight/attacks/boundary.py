"""The nearest boundary of a model linearised at a point, from as few gradients as tell which it is."""

import torch
from torch import Tensor

from hardlight.attacks.queries import Queries, Trace
from hardlight.tensors import DUAL, norms

AIM = 4
"""How far past a boundary to aim, in units of ``rounding``: that far it is crossed in any batch."""
_WORTH_A_PASS = 2 / 3  # a forward pass of this share of a batch and its backward pass cost what one of all does


def nearest_boundary(
    queries: Queries,
    trace: Trace,
    x: Tensor,
    y: Tensor,
    rows: Tensor,
    need: Tensor,
    steep: Tensor,
    *,
    norm: str,
    slack: float,
    guess: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The distance (N,), the gradient of z_rival − z_y and the rival (N,) of the nearest boundary of class ``y`` (N,).

    ``trace`` is that of ``x``, and ``need`` (N, K) how far z_k − z_y is from the boundary with class k, infinite where
    k is no rival; the distance is infinite and the gradient zero where none is met. ``steep`` (N, K) holds the dual
    norms of the gradients last seen, 0 if never, and is kept up to date: a rival that was seen is passed over if, to be
    the nearest, it would have to be more than ``slack`` times as steep as then. One that was never seen is looked at;
    with ``guess`` it is taken to have been as steep as the steepest that was.
    """
    distance, gradient, nearest = torch.full_like(need[:, 0], torch.inf), torch.zeros_like(x), torch.zeros_like(y)
    need = need.clone()
    held = torch.arange(len(x), device=x.device)  # by the trace
    while True:
        believed = torch.where(steep > 0, steep, steep.amax(1, keepdim=True)) if guess else steep
        bound = torch.where(need.isfinite() & (believed == 0), 0, need / (slack * believed))
        closest, rival = bound.min(1)
        asked = (closest < distance).nonzero().squeeze(1)
        if not len(asked):
            return distance, gradient, nearest
        if len(asked) < _WORTH_A_PASS * len(held):
            held, trace = asked, queries.trace(x[asked], rows[asked])
        k = rival[asked]
        by_logits = torch.zeros_like(need)
        by_logits[asked, k], by_logits[asked, y[asked]] = 1.0, -1.0
        slope = torch.zeros_like(x).index_copy(0, held, trace.gradient(by_logits[held], again=True))[asked]
        length = norms(slope, DUAL[norm])
        reach = torch.where(length > 0, need[asked, k] / length, torch.inf)
        steep[asked, k], need[asked, k] = length, torch.inf
        nearer = reach < distance[asked]
        won = asked[nearer]
        distance[won], gradient[won], nearest[won] = reach[nearer], slope[nearer], k[nearer]
