import math
from itertools import product

import numpy as np
import pytest
import torch
from attacked_batch import outcomes

from hardlight.attacks import FGSM
from hardlight.data import ShippedSample
from hardlight.metrics import TrainingSetDistance, detection_rates, training_set_distance
from hardlight.metrics import training_set_distance as function
from hardlight.metrics.training_set_distance import CHUNK


def brute_force(x, train):
    """The whole matrix of distances in NumPy's float64."""
    a, b = (each.flatten(1).numpy().astype(np.float64) for each in (x, train))
    return np.array([np.sqrt(np.square(row - b).sum(1)).min() for row in a])


def images(n, shape=(1, 5, 5), seed=0, dtype=torch.float32):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_by_hand():
    train = torch.tensor([[0.0, 0.0], [0.6, 0.8], [1.0, 1.0]]).reshape(3, 1, 1, 2)
    x = torch.tensor([[0.3, 0.4], [1.0, 1.0], [0.0, 1.0]]).reshape(3, 1, 1, 2)
    assert training_set_distance(x, train).numpy() == pytest.approx([0.5, 0.0, math.sqrt(0.36 + 0.04)], rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 5, 5), (3, 4, 4), (1, 1, 2)])
@pytest.mark.parametrize("m", [1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_as_brute_force(shape, m):
    x, train = images(60, shape), images(m, shape, seed=1)
    assert training_set_distance(x, train).numpy() == pytest.approx(brute_force(x, train), rel=1e-13)


def test_more_images_than_a_chunk():
    x, train = images(2 * CHUNK + 3, (1, 1, 2)), images(40, (1, 1, 2), seed=1)
    assert training_set_distance(x, train).numpy() == pytest.approx(brute_force(x, train), rel=1e-13)


def test_double_precision():
    x, train = images(50, dtype=torch.float64), images(500, seed=1)
    assert training_set_distance(x, train).numpy() == pytest.approx(brute_force(x, train), rel=1e-13)


@pytest.mark.parametrize("width", [1e-3, 1e-5, 1e-7, 0.0])
def test_images_close_together_and_far_from_0(width):
    """In float32, ‖x‖² − 2 x·t + ‖t‖² is nothing but rounding here."""
    train = 0.9 + width * (images(3000, (1, 16, 16), seed=1) - 0.5)
    x = 0.9 + width * (images(20, (1, 16, 16)) - 0.5)
    exact = brute_force(x, train)
    assert training_set_distance(x, train).numpy() == pytest.approx(exact, rel=1e-13, abs=1e-15)
    estimate = torch.cdist(x.flatten(1), train.flatten(1)).amin(1)
    assert width == 0 or width == 1e-3 or np.abs(estimate.numpy() / exact - 1).max() > 0.1  # the test is a test


def test_a_training_image_is_at_0_and_a_pixel_away_at_that():
    train = images(5000, (1, 28, 28), seed=1)
    assert not training_set_distance(train[100:200], train).any()
    x = train[100:200].clone()
    x[:, 0, 3, 3] = (x[:, 0, 3, 3] - 1e-4).abs()
    apart = (x - train[100:200]).double().flatten(1).norm(dim=1)
    assert torch.equal(training_set_distance(x, train), apart)


def test_ties_and_duplicates():
    train = images(10, seed=1).repeat(200, 1, 1, 1)
    x = images(300)
    assert training_set_distance(x, train).numpy() == pytest.approx(brute_force(x, train), rel=1e-13)


def test_order_of_the_training_images_is_nothing():
    x, train = images(50, (1, 28, 28)), images(3000, (1, 28, 28), seed=1)
    assert torch.equal(training_set_distance(x, train), training_set_distance(x, train.flip(0)))


def test_bytes_are_the_pixels_that_they_stand_for():
    train = torch.randint(0, 256, (500, 1, 6, 6), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    x = train[:40].float() / 255
    assert not training_set_distance(x, train).any()
    x = images(40, (1, 6, 6))
    assert torch.equal(training_set_distance(x, train), training_set_distance(x, train.float() / 255))


def test_on_the_mnist_sample_as_in_numpy():
    sample = ShippedSample(name="mnist")
    train, test = sample.read("train").images, sample.read("test").images[::10]
    x = test.float() / 255
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    with torch.no_grad():
        net[1].weight.copy_(torch.randn(10, 784, generator=torch.Generator().manual_seed(0)))
    pixels = train.flatten(1).numpy() / np.float32(255).astype(np.float64)
    for each in (x, FGSM(eps=0.3)(net, x, torch.zeros(len(x), dtype=torch.long))):
        queries = each.flatten(1).numpy().astype(np.float64)
        squares = np.square(queries).sum(1)[:, None] - 2 * queries @ pixels.T + np.square(pixels).sum(1)
        assert training_set_distance(each, train).numpy() == pytest.approx(np.sqrt(squares.min(1)), rel=1e-6)


@pytest.mark.parametrize(
    ("x", "train", "match"),
    [
        (images(2), images(2, (1, 5, 4)), r"one shape.*\(2, 1, 5, 5\) and \(2, 1, 5, 4\)"),
        (images(2), images(0), "at least one"),
        (images(2) / 0, images(2), "x must hold finite"),
        (images(2), images(2) / 0, "train must hold finite"),
        (images(2), torch.cat([images(2000), images(1) * math.nan]), "train must hold finite"),
    ],
)
def test_refuses(x, train, match):
    with pytest.raises(ValueError, match=match):
        function(x, train)


def test_detection_by_counting_pairs():
    g = torch.Generator().manual_seed(0)
    clean, adversarial = torch.randint(0, 9, (40,), generator=g), torch.randint(2, 12, (30,), generator=g)
    pairs = [(a > c) + 0.5 * (a == c) for a, c in product(adversarial.tolist(), clean.tolist())]
    found = detection_rates(adversarial.double(), clean.double())
    assert found.mean().item() == pytest.approx(sum(pairs) / len(pairs), rel=1e-12)
    assert detection_rates(torch.tensor([5.0]), torch.tensor([1.0, 5.0, 7.0, 2.0])).tolist() == [(2 + 0.5) / 4]


class TestMetric:
    TRAIN = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    X = torch.tensor([0.1, 0.2, 0.3, 0.4]).reshape(4, 1, 1, 1)
    X_ADV = torch.tensor([0.3, 0.4, 0.5, 0.5]).reshape(4, 1, 1, 1)

    def prepared(self):
        metric = TrainingSetDistance()
        metric.prepare(self.TRAIN)
        return metric

    def test_only_what_fooled_the_model_is_adversarial(self):
        """Fooled; unbroken; wrong before; fooled."""
        batch = outcomes(self.X, self.X_ADV, [0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 2, 1])
        metric = self.prepared()
        attacked, clean = metric.per_sample(batch), metric.per_sample(batch.clean())
        assert attacked["training_set_distance"].numpy() == pytest.approx([0.3, math.nan, math.nan, 0.5], nan_ok=True)
        assert clean["training_set_distance"].numpy() == pytest.approx([0.1, 0.2, 0.3, 0.4])
        found = metric.summary(attacked, clean)
        assert found["training_set_distance"].value == pytest.approx(0.4)
        assert found["training_set_auroc"].value == pytest.approx((2.5 / 4 + 1) / 2)  # .3 ties with .3
        assert [each.n for each in found.values()] == [2, 2]
        assert list(metric.summary(clean)) == ["training_set_distance"]
        assert metric.summary(clean)["training_set_distance"].value == pytest.approx(0.25)

    def test_nothing_broken(self):
        batch = outcomes(self.X, self.X, [0] * 4, [0] * 4, [0] * 4)
        metric = self.prepared()
        found = metric.summary(metric.per_sample(batch), metric.per_sample(batch.clean()))
        assert all(math.isnan(each.value) and each.n == 0 for each in found.values())

    def test_the_images_must_come_first(self):
        with pytest.raises(ValueError, match="call prepare"):
            TrainingSetDistance().per_sample(outcomes(self.X, self.X, [0] * 4, [0] * 4, [0] * 4))
