import numpy as np
import pytest
import torch
from linear_oracle import rows_opposed
from scipy.optimize import linprog

from hardlight.attacks import FGSM


@pytest.fixture
def opposed(linear):
    """A two-class model with w, x of which many pixels lie near the edges, and labels: the gradient is ∓w exactly."""
    weight = rows_opposed(12, seed=0)
    x = torch.rand(9, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.tensor([0, 1] * 4 + [0])
    away = torch.where(y == 0, -1.0, 1.0).double()[:, None] * weight[0]
    return linear(weight), x, y, away.reshape(x.shape)


def test_linf_step(opposed):
    model, x, y, away = opposed
    expected = (x + 0.3 * away.sign()).clamp(0, 1)
    assert (expected != x + 0.3 * away.sign()).any()
    assert torch.equal(FGSM(eps=0.3)(model, x, y), expected)


def test_l2_step(opposed):
    model, x, y, away = opposed
    expected = (x + 0.7 * away / away.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)).clamp(0, 1)
    torch.testing.assert_close(FGSM(eps=0.7, norm="l2")(model, x, y), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("eps", [0.3, 2.5, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_l1_step_is_the_best_in_the_ball_and_the_box(opposed, eps, dtype):
    model, x, y, away = opposed
    x_adv = FGSM(eps=eps, norm="l1")(model.to(dtype), x.to(dtype), y)
    for image, g, image_adv in zip(*(t.to(dtype).flatten(1).double().numpy() for t in (x, away, x_adv)), strict=True):
        # delta = p - q with p, q >= 0: maximise g·(p - q), the sum of both at most eps, within the room up and down.
        bounds = [(0, 1 - v) for v in image] + [(0, v) for v in image]
        best = linprog(-np.concatenate([g, -g]), A_ub=np.ones((1, 24)), b_ub=[eps], bounds=bounds)
        delta = image_adv - image
        tolerance = 1e-5 if dtype == torch.float32 else 1e-12
        assert g @ delta == pytest.approx(-best.fun, abs=tolerance)
        assert np.abs(delta).sum() <= eps + tolerance
        assert image_adv.min() >= 0
        assert image_adv.max() <= 1


def test_l1_budget_holds_over_very_many_pixels(linear):
    pixels = 3 * 224 * 224
    x = 1e-4 * torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    w = -torch.ones(pixels)
    x_adv = FGSM(eps=7.0, norm="l1")(linear(torch.stack([-w, w])), x, torch.tensor([0]))
    assert (x_adv.double() - x.double()).abs().sum().item() == pytest.approx(7.0, abs=1e-6)


def test_targeted_step_goes_the_other_way(opposed):
    model, x, y, away = opposed
    x_adv = FGSM(eps=0.1)(model, x, y, y_target=y)
    assert torch.equal(x_adv, (x - 0.1 * away.sign()).clamp(0, 1))


def test_predicted_label_is_what_it_moves_away_from(opposed):
    model, x, _, _ = opposed
    predicted = model(x).argmax(1)
    wrong = 1 - predicted
    assert torch.equal(FGSM(eps=0.1, label="predicted")(model, x, wrong), FGSM(eps=0.1)(model, x, predicted))
    assert not torch.equal(FGSM(eps=0.1)(model, x, wrong), FGSM(eps=0.1)(model, x, predicted))


def test_costs_one_pass_each_way_and_one_more_for_the_predicted_label(opposed):
    model, x, y, _ = opposed
    for label, forward in (("true", 1), ("predicted", 2)):
        outcome = FGSM(eps=0.1, label=label).run(model, x, y)
        assert outcome.forward_passes.tolist() == [forward] * 9
        assert outcome.backward_passes.tolist() == [1] * 9


def test_yaml_makes_true_of_the_word_true():
    assert FGSM(eps=0.1, label=True) == FGSM(eps=0.1, label="true")
