"""The worst, for each sample, of what several runs or several attacks found."""

import torch
from torch import Tensor

from hardlight.attacks.goal import Goal, margin
from hardlight.attacks.queries import Queries
from hardlight.tensors import norms


class Worst:
    """Keeps of all that is offered for a sample the image that fools the model before any that does not.

    Among those alike in that: the one of largest margin, or of the smallest norm ``smallest`` where that is given; then
    what fools nothing is never kept, and the sample stays as it is in ``x``.
    """

    def __init__(self, queries: Queries, x: Tensor, goal: Goal, smallest: str | None = None) -> None:
        self.x_adv = x.clone()
        self._queries, self._x, self._goal, self._smallest = queries, x, goal, smallest
        self._fooled = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        self._rank = torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)

    @property
    def standing(self) -> Tensor:
        """The rows that nothing offered has fooled: (M,)."""
        return (~self._fooled).nonzero().squeeze(1)

    def offer(self, x_adv: Tensor, rows: Tensor) -> None:
        """Images for ``rows``, judged by a forward pass of their own."""
        logits, goal = self._queries.logits(x_adv, rows), self._goal[rows]
        fooled = goal.reached(logits)
        if self._smallest is None:
            value = margin(logits, goal.y).to(self._rank.dtype)
            rank = -value if goal.targeted else value
        else:
            rank = -norms(x_adv - self._x[rows], self._smallest)
        before = self._fooled[rows]
        better = (fooled & ~before) | ((fooled == before) & (rank > self._rank[rows]))
        if self._smallest is not None:
            better &= fooled
        won = rows[better]
        self.x_adv[won], self._fooled[won], self._rank[won] = x_adv[better], fooled[better], rank[better]
