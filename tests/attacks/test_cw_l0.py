"""The L0 attack of Carlini and Wagner against the fewest features that any attack can do with."""

import math

import pytest
import torch
from linear_oracle import Linear
from piecewise_oracle import distances, polytope

from hardlight.attacks import CWL0
from hardlight.attacks.goal import margin
from hardlight.tensors import norms


@pytest.mark.parametrize(("faces", "ratio"), [(1, 1.2), (4, 2.0)])
def test_close_to_the_fewest_features_of_a_piecewise_linear_net(faces, ratio):
    """Of several faces it heads for the one that is near in L2, which another may beat in L0."""
    net, x, y = polytope((3, 4, 4), 8, faces=faces, classes=2 if faces == 1 else 4)
    fewest = distances(net, x, "l0")
    x_adv = CWL0(steps=25)(net, x, y)
    assert (net(x_adv).argmax(1) != y).all()
    found = norms(x_adv - x, "l0")
    assert (found >= fewest).all()
    assert float((found / fewest).mean()) < ratio
    assert len(set(fewest.tolist())) > 2


def test_what_is_fixed_first_is_what_does_least():
    """Features of steepness 1, 2, …, 16, all with the same room: the steepest are the fewest, and are found exactly."""
    steep = torch.arange(1.0, 17, dtype=torch.float64)[torch.randperm(16, generator=torch.Generator().manual_seed(0))]
    x = torch.full((1, 1, 4, 4), 0.5, dtype=torch.float64)
    for count in (1, 3, 7):
        lead = float(steep.sort(descending=True).values[:count].sum()) / 2 - 1
        net = Offset(steep, lead)
        x_adv = CWL0(steps=25)(net, x, torch.zeros(1, dtype=torch.int64))
        moved = (x_adv != x).flatten()
        assert int(moved.sum()) == count
        assert torch.equal(moved, steep >= 17 - count)


def test_a_round_that_fixes_too_much_is_tried_again_with_less():
    """Of 40 equal features 13 are needed; two at a time it goes from 14 to 12."""
    x = torch.full((1, 1, 5, 8), 0.5, dtype=torch.float64)
    x_adv = CWL0(steps=25)(Offset(torch.ones(40, dtype=torch.float64), 6.25), x, torch.zeros(1, dtype=torch.int64))
    assert int(norms(x_adv - x, "l0")) == 13


def test_a_small_change_of_a_steep_feature_is_worth_more_than_a_large_one_of_a_flat():
    """Three features of slope 20 and room 0.1, eight of slope 1 and room 1: 7.9 takes three and two of them."""
    steep = torch.tensor([20.0] * 3 + [1.0] * 8, dtype=torch.float64)
    x = torch.tensor([0.9] * 3 + [0.0] * 8, dtype=torch.float64).reshape(1, 1, 1, 11)
    net = Offset(steep, float(steep @ (x.flatten() - 0.5)) + 7.9)
    x_adv = CWL0(steps=25)(net, x, torch.zeros(1, dtype=torch.int64))
    assert int(norms(x_adv - x, "l0")) == 5


class Offset(Linear):
    """Two classes, of which the second lacks ``lead`` at grey."""

    def __init__(self, steep, lead):
        super().__init__(torch.stack([torch.zeros_like(steep), steep]))
        self.lead = lead

    def forward(self, x):
        return super().forward(x) - torch.tensor([0.0, self.lead], dtype=x.dtype)


def test_targeted_and_with_confidence(mlp, batch):
    x, y = batch[0][:16], batch[1][:16]
    y_target = (mlp(x).argmax(1) + 1) % 4
    plain, sure = CWL0(steps=20), CWL0(steps=20, confidence=0.05)
    near, far = plain(mlp, x, y, y_target=y_target), sure(mlp, x, y, y_target=y_target)
    for x_adv, least in ((near, 0.0), (far, 0.05)):
        moved = (x_adv != x).flatten(1).any(1)
        assert torch.equal(-margin(mlp(x_adv), y_target) >= least, moved)
        assert 0.3 < moved.double().mean() < 1
    near, far = norms(near - x, "l0"), norms(far - x, "l0")
    assert near[far > 0].mean() < far[far > 0].mean()


def test_no_more_features_than_needed_by_hand():
    """Brute force over every set of features of a linear net of 10, each moved to the better edge of the box."""
    g = torch.Generator().manual_seed(4)
    weight = torch.randn(3, 10, generator=g, dtype=torch.float64)
    net, x = Linear(weight), torch.rand(6, 1, 2, 5, generator=g, dtype=torch.float64)
    y = net(x).argmax(1)
    found = norms(CWL0(steps=25)(net, x, y) - x, "l0")
    for n in range(6):
        flat = x[n].flatten()
        sizes = []
        for k in set(range(3)) - {int(y[n])}:
            slope = weight[k] - weight[y[n]]
            gain = (torch.where(slope > 0, 1 - flat, -flat) * slope).sort(descending=True).values
            lead = -float(slope @ (flat - 0.5))
            sizes.append(int((gain.cumsum(0) <= lead).sum()) + 1)
        assert min(sizes) <= int(found[n]) <= min(sizes) + 1


def test_what_cannot_be_found_stays_as_it_was(mlp, batch):
    x, y = batch
    x_adv = CWL0(steps=1, lr=1e-4)(mlp, x, y)
    assert torch.equal(x_adv, x)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"norm": "l2"}, "norm must be one of l0"),
        ({"largest_const": 0.5}, "largest_const must be a number from 1 to"),
        ({"largest_const": 1e11}, "largest_const must be"),
        ({"largest_const": math.inf}, "largest_const must be"),
        ({"largest_const": "1"}, "largest_const must be"),
    ],
)
def test_a_bad_setting_is_named(settings, words):
    with pytest.raises(ValueError, match=words):
        CWL0(**settings)
