"""Carlini and Wagner's Linf attack, against closed forms."""

import pytest
import torch
from linear_oracle import at_distance, rows_opposed

from hardlight.attacks import CWLinf
from hardlight.attacks.goal import margin
from hardlight.tensors import norms


@pytest.mark.parametrize("radius", [0.02, 0.1])
def test_the_closed_form_of_a_linear_model(radius, linear):
    """All pixels must be at the radius: each step of tau leaves at most a tenth to go."""
    weight = rows_opposed(12, seed=1)
    x, y = at_distance(weight, (3, 2, 2), 8, "linf", radius)
    model = linear(weight)
    x_adv = CWLinf(decrease_factor=0.95, lr=0.002)(model, x, y)
    assert (model(x_adv).argmax(1) != y).all()
    length = norms(x_adv - x, "linf")
    assert (length >= radius * (1 - 1e-9)).all()
    assert (length <= radius * 1.1).all()


def test_the_shrinking_shortens_what_the_first_descent_finds(mlp, batch):
    """With one const alone, and a tau that falls to nothing after the first success."""
    x, y = batch
    once, shrunk = (
        norms(CWLinf(decrease_factor=by, initial_const=10.0, largest_const=10.0, lr=0.05)(mlp, x, y) - x, "linf")
        for by in (1e-9, 0.9)
    )
    assert torch.equal(once > 0, shrunk > 0)
    assert shrunk.mean() < 0.8 * once.mean()


def test_confidence_is_the_margin_of_what_is_returned(linear):
    weight = rows_opposed(12, seed=1)
    x, y = at_distance(weight, (3, 2, 2), 8, "linf", 0.05)
    x_adv = CWLinf(confidence=1.0)(linear(weight), x, y)
    assert (margin(linear(weight)(x_adv), y) >= 1).all()
    assert torch.equal(CWLinf(confidence=1e6, steps=10)(linear(weight), x, y), x)


def test_targeted_ends_at_the_target(mlp, batch):
    x, y = batch
    y_target = (mlp(x).argmax(1) + 1) % 4
    x_adv = CWLinf(steps=100, lr=0.03)(mlp, x, y, y_target=y_target)
    moved = (x_adv != x).flatten(1).any(1)
    assert torch.equal(mlp(x_adv).argmax(1) == y_target, moved)
    assert moved.double().mean() > 0.9


@pytest.mark.parametrize(
    ("field", "value"),
    [("largest_const", 0.01), ("decrease_factor", 0), ("decrease_factor", 1), ("norm", "l2"), ("steps", 0)],
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*, got"):
        CWLinf(**{field: value})
