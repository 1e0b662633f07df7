"""The validation part: proportions, no overlap, and nothing but labels, fraction and seed decide it."""

import pytest
import torch

from hardlight.data import split


def test_every_class_in_proportion_each_position_once():
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate([100, 40, 10, 2, 1])])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    train, validation = split(labels, 0.2, seed=3)
    assert torch.equal(torch.cat([train, validation]).sort().values, torch.arange(len(labels)))
    assert labels[validation].bincount(minlength=5).tolist() == [20, 8, 2, 1, 0]
    assert labels[train].bincount(minlength=5).tolist() == [80, 32, 8, 1, 1]
    assert torch.equal(train, train.sort().values)
    assert torch.equal(validation, validation.sort().values)


def test_a_large_fraction_leaves_every_class_something_to_train_on():
    train, validation = split(torch.tensor([0] * 3 + [1] * 3), 0.99, seed=0)
    assert len(train) == 2
    assert len(validation) == 4


def test_seeded():
    labels = torch.arange(200) % 4
    first, again, other = (split(labels, 0.5, seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    split(labels, 0.5, 1)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, "half"])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(ValueError, match="validation must be"):
        split(torch.zeros(4, dtype=torch.long), fraction, 0)
