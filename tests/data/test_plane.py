"""The sets of the plane: closed forms of the curves, the box, the noise, and what the seed decides."""

import numpy as np
import pytest
import torch

from hardlight.data import PlaneSource


def source(name, **settings):
    return PlaneSource(name=name, **{"n_train": 4000, "n_test": 1000, "noise": 0.0, "seed": 0} | settings)


def points(name, part, **settings):
    """Without noise, and long enough that the curves' own extremes span the box: back in the curves' coordinates."""
    read = source(name, **settings).read(part)
    low, high = {"moons": ((-1, -0.5), (2, 1)), "circles": ((-1, -1), (1, 1))}[name]
    low, high = torch.tensor(low), torch.tensor(high)
    return read.images[:, 0, 0] * (high - low) + low, read.labels


@pytest.mark.parametrize("part", ["train", "test"])
def test_moons_lie_on_their_half_circles(part):
    xy, labels = points("moons", part)
    upper, lower = xy[labels == 0], xy[labels == 1]
    torch.testing.assert_close(upper.norm(dim=1), torch.ones(len(upper)), atol=1e-4, rtol=0)
    torch.testing.assert_close((lower - torch.tensor([1, 0.5])).norm(dim=1), torch.ones(len(lower)), atol=1e-4, rtol=0)
    assert upper[:, 1].min() >= -1e-4
    assert lower[:, 1].max() <= 0.5 + 1e-4
    # Uniform on the arc: the mean height of a half circle is 2/pi.
    torch.testing.assert_close(upper[:, 1].mean(), torch.tensor(2 / np.pi).float(), atol=0.05, rtol=0)
    torch.testing.assert_close(upper[:, 0].mean(), torch.tensor(0.0), atol=0.1, rtol=0)


@pytest.mark.parametrize("part", ["train", "test"])
def test_circles_have_their_radii(part):
    xy, labels = points("circles", part)
    torch.testing.assert_close(xy.norm(dim=1), torch.where(labels == 0, 1.0, 0.5), atol=1e-4, rtol=0)
    angle = torch.atan2(xy[:, 1], xy[:, 0])
    quarters = ((angle + np.pi) / (np.pi / 2)).floor().clamp(0, 3).long()
    assert (quarters.bincount(minlength=4) / len(xy) - 0.25).abs().max() < 0.05


@pytest.mark.parametrize("name", ["moons", "circles"])
def test_the_training_part_spans_the_box_and_the_test_part_is_clipped_into_it(name):
    made = source(name, n_train=40, n_test=4000, noise=0.3)
    train, test = made.read("train").images, made.read("test").images
    assert train.shape == (40, 1, 1, 2)
    assert train.dtype == torch.float32
    for x in (train[..., 0], train[..., 1]):
        assert [int((x == end).sum()) for end in (0, 1)] == [1, 1]
    assert test.min() == 0
    assert test.max() == 1
    assert int((test == 0).sum()) > 5  # a larger part with this much noise leaves the box of a small one


def test_noise_has_the_deviation_asked_for():
    made = source("circles", n_train=20_000, noise=0.05)
    xy = made.read("train").images[:, 0, 0]
    labels = made.read("train").labels
    radius = (xy - xy.mean(0)).norm(dim=1)
    outer = radius[labels == 0]
    # In units of the outer circle's radius, across the curve.
    torch.testing.assert_close(outer.std() / outer.mean(), torch.tensor(0.05), atol=0.005, rtol=0)


def test_classes_take_turns_and_the_seed_decides_the_points():
    first, again, other = (source("moons", seed=seed).read("test") for seed in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    assert first.labels.tolist() == [0, 1] * 500
    assert first.index.tolist() == list(range(1000))
    train = source("moons", seed=3).read("train")
    assert not torch.equal(train.images[:1000], first.images)  # the parts are drawn apart
    assert source("moons").describe() == ((1, 1, 2), 2)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "moon"}, "did you mean moons"),
        ({"n_train": 2}, "n_train must be a whole number of at least 3, got 2"),
        ({"n_test": 1}, "n_test must be a whole number of at least 2, got 1"),
        ({"noise": -0.1}, "noise must be a number of at least 0, got -0.1"),
        ({"seed": -1}, "seed must be a whole number"),
    ],
)
def test_settings_are_checked(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        source(**{"name": "moons"} | settings)
