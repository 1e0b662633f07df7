import math

import numpy as np
import pytest
import torch
from attacked_batch import outcomes

from hardlight.metrics import EmpiricalRobustness, relative_perturbation

# Of norm 0.5, moved by (0.03, 0.04) times 1, 2, …: by 10 %, 20 %, …
X = torch.tensor([0.3, 0.4]).repeat(6, 1).reshape(6, 1, 1, 2)
X_ADV = X + torch.tensor([0.03, 0.04]).reshape(1, 1, 1, 2) * torch.arange(1, 7).reshape(6, 1, 1, 1)


def numbers(batch):
    metric = EmpiricalRobustness()
    return metric.summary(metric.per_sample(batch))


def test_the_ratio_by_hand():
    assert relative_perturbation(X, X_ADV).numpy() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], rel=1e-6)


def test_l2_whatever_the_attack_moved():
    x, x_adv = torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.6)
    assert relative_perturbation(x, x_adv).item() == pytest.approx(0.2, rel=1e-6)
    x_adv = x.clone()
    x_adv[0, 0, 0, 0] = 1.0  # one pixel of 192: 1/sqrt(192)
    assert relative_perturbation(x, x_adv).item() == pytest.approx(1 / math.sqrt(192), rel=1e-6)


def test_nothing_is_a_fraction_of_a_black_image():
    x = torch.zeros(2, 1, 1, 2)
    assert relative_perturbation(x, x + 0.1).isnan().all()


def test_true_label_by_hand():
    """Broken at .1; wrong before (0); unbroken; broken at .4; mended, so wrong before (0); broken at .6."""
    found = numbers(outcomes(X, X_ADV, [0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 0, 0, 2, 1, 1]))
    assert found["rho"].value == pytest.approx((0.1 + 0 + 0.4 + 0 + 0.6) / 5, rel=1e-6)
    assert found["rho"].n == 5
    assert found["rho_median"].value == pytest.approx((0.1 + 0.4) / 2, rel=1e-6)  # 0, 0, .1, .4, .6, ∞
    assert (found["rho_median"].low, found["rho_median"].high) == (0, math.inf)
    assert (found["broken"].value, found["broken"].n) == (5 / 6, 6)


def test_predicted_label_by_hand():
    """What counts is another class than before, right or wrong: at .1, .4, .5 and .6."""
    found = numbers(outcomes(X, X_ADV, [0, 1, 0, 0, 1, 0], [0] * 6, [1, 0, 0, 2, 1, 1], label="predicted"))
    assert found["rho"].value == pytest.approx((0.1 + 0.4 + 0.5 + 0.6) / 4, rel=1e-6)
    assert found["rho_median"].value == pytest.approx(0.55, rel=1e-6)
    assert found["broken"].value == 4 / 6


def test_a_model_that_nothing_breaks_is_no_worst_model():
    found = numbers(outcomes(X, X, [0] * 6, [0] * 6, [0] * 6))
    assert math.isnan(found["rho"].value)
    assert found["rho"].n == 0
    assert found["rho_median"].value == math.inf
    assert found["broken"].value == 0
    assert found["broken"].high == pytest.approx(0.390, abs=1e-3)  # Wilson's, 0 of 6


def test_black_images_are_left_out():
    x = X.clone()
    x[0] = 0
    for prediction in ([0] * 6, [1, 0, 0, 0, 0, 0]):
        found = numbers(outcomes(x, X_ADV, [0] * 6, prediction, [1] * 6))
        assert found["rho"].value == pytest.approx(0.4, rel=1e-6)
        assert [each.n for each in found.values()] == [5, 5, 5]


def test_an_image_that_was_wrong_counts_0_even_if_the_attack_moved_it():
    metric = EmpiricalRobustness()
    column = metric.per_sample(outcomes(X[:1], X_ADV[:1], [0], [1], [2]))["relative_l2"]
    assert column.tolist() == [0]


def test_the_interval_covers_the_mean():
    """Of 40 draws of 100 values whose mean is known, at least 34 intervals hold it (expected 38, 34 at 1 in 50)."""
    covered = 0
    for seed in range(40):
        ratio = torch.from_numpy(np.random.default_rng(seed).exponential(0.2, 100)).float()
        x_adv = X[:1] * (1 + ratio.reshape(-1, 1, 1, 1))
        found = numbers(outcomes(X[:1].expand(100, 1, 1, 2), x_adv, [0] * 100, [0] * 100, [1] * 100))
        covered += found["rho"].low <= 0.2 <= found["rho"].high
    assert covered >= 34
