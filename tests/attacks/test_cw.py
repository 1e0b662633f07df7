"""Carlini and Wagner's L2 attack, against closed forms and what each of its parts must do."""

import math

import pytest
import torch
from linear_oracle import at_distance, rows_opposed, rows_with_blocks
from torch import nn

from hardlight.attacks import CW, Goal, Queries
from hardlight.attacks.goal import margin
from hardlight.tensors import norms


class Affine(nn.Module):
    """logits = W·x + b."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x):
        return x.flatten(1) @ self.weight.T + self.bias


@pytest.mark.parametrize("radius", [0.05, 0.4])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_closed_form_of_a_linear_model(classes, radius, linear):
    weight = rows_opposed(48, seed=1) if classes == 2 else rows_with_blocks(classes, 48, seed=1)
    x, y = at_distance(weight, (3, 4, 4), 12, "l2", radius)
    model = linear(weight)
    x_adv = CW(steps=200, lr=0.01, binary_search_steps=8)(model, x, y)
    assert (model(x_adv).argmax(1) != y).all()
    length = norms(x_adv - x, "l2")
    assert (length >= radius * (1 - 1e-9)).all()
    assert (length <= radius * 1.02).all()


def test_confidence_is_the_margin_of_what_is_returned(linear):
    """A margin of kappa more costs kappa / ‖w_y - w_j‖ more distance."""
    weight = rows_opposed(48, seed=1)
    x, y = at_distance(weight, (3, 4, 4), 12, "l2", 0.1)
    model, steep = linear(weight), float((weight[0] - weight[1]).norm())
    x_adv = CW(confidence=2.5, steps=200, lr=0.01, binary_search_steps=8)(model, x, y)
    assert (margin(model(x_adv), y) >= 2.5).all()
    length = norms(x_adv - x, "l2")
    assert (length >= 0.1 + 2.5 / steep - 1e-9).all()
    assert (length <= 1.02 * (0.1 + 2.5 / steep)).all()
    unreachable = CW(confidence=1e6, steps=20, binary_search_steps=2)(model, x, y)
    assert torch.equal(unreachable, x)


def test_an_image_that_fools_already_is_as_it_was_only_with_the_confidence(mlp, batch):
    x, _ = batch
    y_wrong = (mlp(x).argmax(1) + 1) % 4
    assert torch.equal(CW(steps=20)(mlp, x, y_wrong), x)
    lead = margin(mlp(x), y_wrong)
    kappa = float(lead.detach().median())
    x_adv = CW(confidence=kappa, steps=60, lr=0.1, binary_search_steps=4)(mlp, x, y_wrong)
    moved = (x_adv != x).flatten(1).any(1)
    assert not moved[lead >= kappa].any()
    assert moved.any()
    assert (margin(mlp(x_adv), y_wrong)[moved] >= kappa - 1e-4).all()


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_pixels_at_the_edge_of_the_box_move(edge):
    """Every pixel at 0 or 1 and the boundary 0.5 away: half of the tanh's paper form is flat there."""
    weight = torch.randn(2, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64).abs()
    weight[0] = -weight[1]
    if edge == 1:
        weight = weight.flip(0)
    x = torch.full((5, 3, 2, 2), edge, dtype=torch.float64)
    gap = weight[0] - weight[1]
    bias = torch.tensor([0.5 * float(gap.norm()) - float(gap @ x[0].flatten()), 0.0], dtype=torch.float64)
    x_adv = CW(steps=200, binary_search_steps=8, lr=0.05)(Affine(weight, bias), x, torch.zeros(5, dtype=torch.int64))
    expected = x - (0.5 * gap / gap.norm()).reshape(3, 2, 2)
    assert expected.min() >= 0
    assert expected.max() <= 1
    length = norms(x_adv - x, "l2")
    assert (length >= 0.5 * (1 - 1e-9)).all()
    assert (length <= 0.51).all()
    torch.testing.assert_close(x_adv, expected, rtol=0, atol=0.03)


def test_negative_logits_have_a_margin_too():
    """Logits [-1, -5, -9] are 4 apart; a model shifted by any number is the same model to the attack."""
    weight = torch.randn(3, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.full((1, 3, 2, 2), 0.5, dtype=torch.float64)
    bias = torch.tensor([-1.0, -5.0, -9.0], dtype=torch.float64) - weight @ x.flatten()
    y = torch.tensor([0])
    x_adv, shifted = (
        CW(steps=100, lr=0.05, binary_search_steps=7)(Affine(weight, bias + by), x, y) for by in (0, 100.0)
    )
    rival = (4 / (weight[0] - weight[1]).norm(), 8 / (weight[0] - weight[2]).norm())
    assert math.isclose(norms(x_adv - x, "l2").item(), min(rival), rel_tol=0.02)
    torch.testing.assert_close(x_adv, shifted, rtol=0, atol=1e-6)


def test_targeted_ends_at_the_target(mlp, batch):
    x, y = batch
    y_target = (mlp(x).argmax(1) + 1) % 4
    x_adv = CW(confidence=0.1, steps=60, lr=0.1, binary_search_steps=5)(mlp, x, y, y_target=y_target)
    moved = (x_adv != x).flatten(1).any(1)
    assert moved.double().mean() > 0.9
    assert (-margin(mlp(x_adv), y_target)[moved] >= 0.1 - 1e-4).all()


def test_every_sample_has_a_const_of_its_own(linear):
    """One batch of a steep and a flat model's images: with one search step few succeed, with the search all do well."""
    weight = rows_opposed(48, seed=1)
    x, y = at_distance(weight, (3, 4, 4), 12, "l2", 0.3)
    scale = torch.logspace(-3, 3, 12, dtype=torch.float64)

    class Scaled(nn.Module):
        """Each image's logits on a scale that its first pixel's sixth decimal tells, which no attack moves."""

        def forward(self, images):
            return linear(weight)(images[:, 0]) * scale[images[:, 1, 0, 0, 0].mul(1e6).round().long()][:, None]

    with_scale = torch.stack([x, torch.zeros_like(x)], 1)
    with_scale[:, 1, 0, 0, 0] = torch.arange(12) * 1e-6
    attack = CW(steps=100, lr=0.01, binary_search_steps=1)
    once = attack(Scaled(), with_scale, y)
    moved = (once != with_scale).flatten(1).any(1)
    assert moved.any()
    assert not moved.all()
    searched = CW(steps=100, lr=0.01, binary_search_steps=14)(Scaled(), with_scale, y)
    assert (norms(searched - with_scale, "l2") < 0.3 * 1.05).all()


def test_leaving_early_costs_little_and_saves_passes(mlp, batch):
    x, y = batch
    early, full = (CW(abort_early=on, steps=200, lr=0.05, binary_search_steps=3).run(mlp, x, y) for on in (True, False))
    wrong = mlp(x).argmax(1) != y
    assert (full.forward_passes[~wrong] == 1 + 3 * 201).all()
    assert (full.forward_passes[wrong] == 1).all()
    assert (full.backward_passes[~wrong] == 3 * 200).all()
    assert early.forward_passes[~wrong].double().mean() < 0.8 * 604
    ours, theirs = (norms(outcome.x_adv - x, "l2") for outcome in (early, full))
    assert torch.equal(ours > 0, theirs > 0)
    assert ours.mean() < 1.02 * theirs.mean()


def test_a_mask_holds_pixels_still_and_a_start_is_begun_at(linear):
    """Only half of the pixels move: the distance in their plane is longer by the share of the weight they hold."""
    weight = rows_opposed(48, seed=1)
    x, y = at_distance(weight, (3, 4, 4), 6, "l2", 0.1)
    model, attack = linear(weight), CW(steps=300, lr=0.01)
    mask = torch.zeros_like(x)
    mask[:, :, :2] = 1
    gap = (weight[0] - weight[1]).reshape(3, 4, 4)
    expected = 0.1 * gap.norm() / (gap * mask[0]).norm()
    queries, goal = Queries(model, 6, x.device), Goal(y)
    const = 2 * expected / (gap * mask[0]).norm() * torch.linspace(1.2, 1.5, 6, dtype=torch.float64)
    found, x_adv = attack.descend(queries, x, goal, const, mask=mask)
    assert found.all()
    assert ((x_adv == x) | (mask == 1)).all()
    torch.testing.assert_close(norms(x_adv - x, "l2"), expected.expand(6), rtol=0.02, atol=0)
    found, again = CW(steps=1, lr=1e-9).descend(queries, x, goal, const, start=x_adv)
    torch.testing.assert_close(again, x_adv, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confidence", -1),
        ("initial_const", 0),
        ("initial_const", 1e11),
        ("steps", 0),
        ("lr", 0),
        ("abort_early", 1),
        ("binary_search_steps", 0),
        ("norm", "linf"),
    ],
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*, got"):
        CW(**{field: value})
