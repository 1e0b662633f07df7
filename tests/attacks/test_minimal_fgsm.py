"""The smallest eps that fools, against a search written out sample by sample."""

import math

import pytest
import torch
from linear_oracle import at_distance, rows_opposed

from hardlight.attacks import FGSM, MinimalFGSM
from hardlight.tensors import norms

SPAN = {"linf": (0.01, 0.15), "l2": (0.03, 0.5), "l1": (0.1, 1.5)}


def searched(model, image, label, norm, grid, **more):
    """One image (1, …): the FGSM of the first eps that fools, the image itself where none need or does, and the eps."""
    if model(image).argmax(1) != label:
        return image, 0.0, 1
    for tries, eps in enumerate(grid, start=1):
        x_adv = FGSM(eps=eps, norm=norm, **more)(model, image, label)
        if model(x_adv).argmax(1) != label:
            return x_adv, eps, 1 + tries
    return image, math.inf, 1 + len(grid)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_it_is_the_first_of_the_grid_that_fools(norm, mlp, batch):
    model, x = mlp.double(), batch[0].double()
    y = batch[1]
    eps_step, eps_max = SPAN[norm]
    grid = [k * eps_step for k in range(1, 40) if k * eps_step < eps_max * (1 - 1e-9)] + [eps_max]
    found = [searched(model, x[n : n + 1], y[n : n + 1], norm, grid) for n in range(64)]
    outcome = MinimalFGSM(norm=norm, eps_step=eps_step, eps_max=eps_max).run(model, x, y)
    torch.testing.assert_close(outcome.x_adv, torch.cat([image for image, _, _ in found]), rtol=0, atol=1e-12)
    eps = [each for _, each, _ in found]
    assert len(set(eps)) >= 8  # of many lengths, with some that need none and some that none fools
    assert {0.0, math.inf} < set(eps)
    assert outcome.forward_passes.tolist() == [passes for _, _, passes in found]
    assert outcome.backward_passes.tolist() == [1] * 64


def test_a_label_that_is_predicted_is_never_reached_at_once(mlp, batch):
    x, y = batch
    predicted = mlp(x).argmax(1)
    assert (predicted != y).any()
    outcome = MinimalFGSM(label="predicted").run(mlp, x, y)
    assert torch.equal(outcome.x_adv, MinimalFGSM()(mlp, x, predicted))
    assert int(outcome.forward_passes.min()) >= 3  # the prediction, the gradient, a try at least
    moved = (outcome.x_adv != x).flatten(1).any(1)
    assert torch.equal(mlp(outcome.x_adv).argmax(1) != predicted, moved)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_closed_form_of_a_linear_model(norm, linear):
    """The distance to the boundary, rounded up to the grid."""
    weight = rows_opposed(48, seed=1)
    for radius in (0.031, 0.039, 0.0401, 0.07):
        x, y = at_distance(weight, (3, 4, 4), 20, norm, radius)
        attack = MinimalFGSM(norm=norm, eps_step=0.01, eps_max=0.1 if radius < 0.07 else 0.0699)
        x_adv = attack(linear(weight), x, y)
        expected = math.ceil(radius / 0.01) * 0.01 if radius < 0.07 else 0.0
        torch.testing.assert_close(norms(x_adv - x, norm), torch.full((20,), expected, dtype=torch.float64))


def test_targeted_stops_at_the_target(mlp, batch):
    x, y = batch
    y_target = (mlp(x).argmax(1) + 1) % 4
    x_adv = MinimalFGSM(eps_step=0.02, eps_max=0.3)(mlp, x, y, y_target=y_target)
    moved = (x_adv != x).flatten(1).any(1)
    assert torch.equal(mlp(x_adv).argmax(1) == y_target, moved)
    assert 0.1 < moved.double().mean() < 1


@pytest.mark.parametrize(
    ("eps_step", "eps_max", "grid"),
    [
        (0.1, 0.3, [0.1, 0.2, 0.3]),  # 3·0.1 is more than 0.3, and 0.3/0.1 less than 3
        (0.05, 1.0, [k * 0.05 for k in range(1, 20)] + [1.0]),  # added up, the 20th would be left out
        (0.04, 0.1, [0.04, 0.08, 0.1]),
        (0.7, 0.7, [0.7]),
        (None, None, [k / 255 for k in range(1, 256)]),
    ],
)
def test_the_grid_is_of_exact_multiples_and_ends_at_its_maximum(eps_step, eps_max, grid):
    assert MinimalFGSM(eps_step=eps_step, eps_max=eps_max).grid == pytest.approx(grid, rel=1e-15, abs=0)


def test_the_default_grid_is_the_norms():
    assert [MinimalFGSM(norm=norm).grid[i] for norm in ("l2", "l1") for i in (0, -1)] == [0.05, 10, 0.5, 100]
    with pytest.raises(ValueError, match=r"eps_step must be from eps_max/100000 to eps_max, which is 1\.0, got 1\.5"):
        MinimalFGSM(eps_step=1.5)
    with pytest.raises(ValueError, match="eps_step must be from"):  # a grid that no memory holds
        MinimalFGSM(eps_max=1e15)


@pytest.mark.parametrize("field", ["eps_step", "eps_max"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "1"])
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=rf"{field} must be a number .*, got"):
        MinimalFGSM(**{field: value})
