"""The search, for each sample, of the least weight of a loss against a distance by which the model is fooled."""

import torch
from torch import Tensor

LARGEST_CONST = 1e10
MOST_SEARCH_STEPS = 1000


class ConstSearch:
    """``const``, like ``like`` (N,): tenfold from ``initial_const`` until one serves, then bisected."""

    def __init__(self, like: Tensor, initial_const: float) -> None:
        self.const = torch.full_like(like, initial_const)
        self._low, self._high = torch.zeros_like(like), torch.full_like(like, torch.inf)

    def narrow(self, found: Tensor) -> None:
        """To what is next, told where this const served."""
        self._low, self._high = torch.where(found, self._low, self.const), torch.where(found, self.const, self._high)
        middle = (self._low + self._high) / 2
        self.const = torch.where(self._high.isinf(), 10 * self.const, middle).clamp_max(LARGEST_CONST)
