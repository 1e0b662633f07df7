"""The features that a saliency map names (Papernot, McDaniel, Jha, Fredrikson, Celik, Swami, EuroS&P 2016).

A feature's ``gain`` is what a step on it adds to the target's output, its ``drop`` what it takes off the others' sum:
both (N, n), and -inf where a feature is not to be used. Each function gives the chosen features (N, 1 or 2) and how
much they are worth (N,).
"""

import torch
from torch import Tensor

_PAIRS_AT_ONCE = 1 << 20  # of the whole batch


def best_one(gain: Tensor, drop: Tensor) -> tuple[Tensor, Tensor]:
    """The feature of largest gain·drop, both positive, and that product: 0 where there is none."""
    score, chosen = torch.where(gain > 0, gain * drop, 0).max(1, keepdim=True)
    return chosen, score.squeeze(1)


def top_two(gain: Tensor) -> tuple[Tensor, Tensor]:
    """The two features of largest gain, and what they gain together (N,): -inf where there are not two."""
    gains, chosen = gain.topk(min(2, gain.shape[1]), dim=1)
    return chosen, gains.sum(1) if gains.shape[1] == 2 else torch.full_like(gain[:, 0], -torch.inf)


def best_pair(gain: Tensor, drop: Tensor) -> tuple[Tensor, Tensor]:
    """The pair of largest (sum of gains)·(sum of drops), both positive, and that product: 0 where there is none.

    Exact. A feature that two others match in both gain and drop can be replaced in any pair by the one of them that is
    not in it: the pair is sought in the Pareto front and the front of what is left without it, a few dozen features of
    thousands.
    """
    order = gain.argsort(dim=1, descending=True, stable=True)
    sorted_drop = drop.gather(1, order)
    first = _front(sorted_drop)
    kept = first | _front(sorted_drop.masked_fill(first, -torch.inf))
    most = max(int(kept.sum(1).max()), 1)
    candidates = order.gather(1, kept.to(torch.uint8).topk(most, dim=1).indices)
    gain, drop = gain.gather(1, candidates), drop.gather(1, candidates)
    scores, partners = [], []
    rows = max(_PAIRS_AT_ONCE // gain.numel(), 1)
    for start in range(0, most, rows):
        gains = gain[:, start : start + rows, None] + gain[:, None]
        drops = drop[:, start : start + rows, None] + drop[:, None]
        score = torch.where(gains > 0, gains * drops, 0)
        score.diagonal(offset=start, dim1=1, dim2=2).zero_()  # a feature is no pair with itself
        score, partner = score.max(2)
        scores.append(score)
        partners.append(partner)
    best, one = torch.cat(scores, 1).max(1, keepdim=True)
    other = torch.cat(partners, 1).gather(1, one)
    return candidates.gather(1, torch.cat([one, other], 1)), best.squeeze(1)


def _front(drop: Tensor) -> Tensor:
    """Where drop is more than all before it, and so nothing is better in both, if sorted by falling gain: bool."""
    before = drop.cummax(1).values.roll(1, dims=1)
    before[:, 0] = -torch.inf
    return drop > before
