"""A validation part taken from the training split."""

import torch
from torch import Tensor

from hardlight import checks
from hardlight.data.seeds import mix


def check_fraction(fraction: float) -> None:
    """A number greater than 0 and less than 1."""
    checks.positive("validation", fraction)
    if fraction >= 1:
        raise ValueError(f"validation must be less than 1, got {fraction!r}")


def split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Positions (ascending) of the training and of the validation part, ``fraction`` of every class, drawn by ``seed``.

    Every class that has two images is in both parts; a single one stays in the training part.
    """
    check_fraction(fraction)
    generator = torch.Generator().manual_seed(mix("split", seed))
    validation = torch.zeros(len(labels), dtype=torch.bool)
    for k in torch.unique(labels):
        members = (labels == k).nonzero().flatten()
        n = min(max(round(fraction * len(members)), 1), len(members) - 1)
        validation[members[torch.randperm(len(members), generator=generator)[:n]]] = True
    return (~validation).nonzero().flatten(), validation.nonzero().flatten()
