import pytest
import torch
from linear_oracle import rows_opposed

from hardlight.attacks import RandomFGSM


@pytest.fixture
def opposed(linear):
    weight = rows_opposed(48, seed=0)
    x = 0.4 + 0.2 * torch.rand(9, 3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.tensor([0, 1] * 4 + [0])
    away = (torch.where(y == 0, -1.0, 1.0).double()[:, None] * weight[0].sign()).reshape(x.shape)
    return linear(weight), x, y, away


def test_a_random_sign_step_and_then_the_gradients_with_what_is_left(opposed):
    model, x, y, away = opposed
    random = RandomFGSM(eps=0.2, alpha=0.05)(model, x, y) - x - 0.15 * away
    torch.testing.assert_close(random.abs(), torch.full_like(x, 0.05))
    assert 0.4 < (random > 0).double().mean() < 0.6


@pytest.mark.parametrize(("eps", "alpha"), [(0.2, 0.05), (0.05, 0.05), (0.03, 0.05), (0.5, 0.4)])
def test_never_further_than_eps(opposed, eps, alpha):
    model, x, y, _ = opposed
    distance = (RandomFGSM(eps=eps, alpha=alpha)(model, x, y) - x).abs().flatten(1).amax(1)
    assert distance.max() <= eps + 1e-12
    assert distance.min() > 0


@pytest.mark.parametrize("eps", [0.03, 0.05])
def test_with_no_more_than_alpha_it_is_sign_noise_and_asks_the_model_nothing(opposed, eps):
    model, x, y, _ = opposed
    outcome = RandomFGSM(eps=eps, alpha=0.05).run(model, x, y)
    torch.testing.assert_close((outcome.x_adv - x).abs(), torch.full_like(x, eps))
    assert outcome.forward_passes.sum() == outcome.backward_passes.sum() == 0


def test_stays_in_the_box(linear):
    x = torch.tensor([0.0, 1.0, 0.02, 0.98]).reshape(1, 1, 2, 2).repeat(50, 1, 1, 1)
    x_adv = RandomFGSM(eps=0.3)(linear(torch.eye(4)), x, torch.zeros(50, dtype=torch.int64))
    assert x_adv.min() == 0
    assert x_adv.max() == 1


def test_targeted(opposed):
    model, x, y, away = opposed
    random = RandomFGSM(eps=0.2, alpha=0.05)(model, x, y, y_target=y) - x + 0.15 * away
    torch.testing.assert_close(random.abs(), torch.full_like(x, 0.05))
