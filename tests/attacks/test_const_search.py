"""The search for const, by hand."""

import torch

from hardlight.attacks.const_search import LARGEST_CONST, ConstSearch


def test_each_sample_rises_until_it_is_found_and_is_then_bisected():
    """Three samples that need 0.3, 30 and more than there is."""
    needed = torch.tensor([0.3, 30.0, torch.inf], dtype=torch.float64)
    search = ConstSearch(torch.zeros(3, dtype=torch.float64), 1.0)
    asked = [search.const]
    for _ in range(12):
        search.narrow(search.const >= needed)
        asked.append(search.const)
    first, second, third = torch.stack(asked, 1)[:, :5]
    assert first.tolist() == [1, 0.5, 0.25, 0.375, 0.3125]
    assert second.tolist() == [1, 10, 100, 55, 32.5]
    assert third.tolist() == [1, 10, 100, 1000, 10000]
    assert asked[-1][2] == LARGEST_CONST
    assert abs(asked[-1][1] - 30) < 0.1
