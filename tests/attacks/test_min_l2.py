"""MinL2 against nearest adversarial images that are known: in closed form, box and all, or by brute force."""

import math

import pytest
import torch
from piecewise_oracle import distances, polytope
from torch import nn

from hardlight.attacks import DDN, DeepFool, MinL2
from hardlight.tensors import norms


def test_a_linear_models_nearest_boundary(linear):
    g = torch.Generator().manual_seed(3)
    weight = torch.randn(5, 48, generator=g, dtype=torch.float64)
    x = 0.5 + 0.1 * (torch.rand(60, 3, 4, 4, generator=g, dtype=torch.float64) - 0.5)
    model = linear(weight)
    z = model(x).detach()
    y = z.argmax(1)
    steep = (weight[None] - weight[y][:, None]).norm(dim=2)
    away = ((z.gather(1, y[:, None]) - z) / steep).scatter(1, y[:, None], torch.inf).amin(1)
    x_adv = MinL2()(model, x, y)
    assert (model(x_adv).argmax(1) != y).all()
    torch.testing.assert_close(norms(x_adv - x, "l2"), away, rtol=5e-4, atol=0)


@pytest.mark.parametrize(("shape", "faces"), [((1, 4, 4), 2), ((3, 4, 4), 6), ((1, 8, 8), 12)])
def test_a_polytopes_nearest_face_in_the_box(shape, faces):
    """Every face a class of its own, steepness 1 to 16: the largest logit is often not the nearest face's."""
    model, x, y = polytope(shape, 60, faces=faces, classes=1 + faces, seed=faces)
    outcome = MinL2(candidates=faces, slack=3.0).run(model, x, y)
    length, best = norms(outcome.x_adv - x, "l2"), distances(model, x, "l2")
    assert (model(outcome.x_adv).argmax(1) != y).all()
    assert (length > best * (1 - 1e-9)).all()
    torch.testing.assert_close(length, best, rtol=1e-3, atol=0)
    alone = norms(MinL2(candidates=1)(model, x, y) - x, "l2")
    assert (alone > 1.01 * best).double().mean() > 0.1


class Ball(nn.Module):
    """Class 0 inside the ball of radius 0.3 around grey, class 1 outside."""

    def forward(self, x):
        inside = 0.09 - (x.flatten(1) - 0.5).square().sum(1)
        return torch.stack([inside, -inside], 1)


@pytest.mark.parametrize("radius", [0.1, 0.2, 0.28, 0.35, 0.6])
@pytest.mark.parametrize("targeted", [False, True])
def test_the_nearest_point_of_a_ball_from_inside_and_outside(radius, targeted):
    g = torch.Generator().manual_seed(0)
    way = torch.randn(40, 12, generator=g, dtype=torch.float64)
    x = (0.5 + radius * way / way.norm(dim=1, keepdim=True)).clamp(0, 1).reshape(40, 3, 2, 2)
    y = torch.full((40,), int(radius > 0.3))
    best = ((x.flatten(1) - 0.5).norm(dim=1) - 0.3).abs()
    x_adv = MinL2()(Ball(), x, y, y_target=1 - y if targeted else None)
    assert (Ball()(x_adv).argmax(1) != y).all()
    torch.testing.assert_close(norms(x_adv - x, "l2"), best, rtol=2e-3, atol=0)


def test_a_net_in_two_dimensions_against_a_fine_grid():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 2
    model = model.double()
    side = torch.linspace(0, 1, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        seen = model(grid).argmax(1)
    x = torch.rand(30, 1, 1, 2, dtype=torch.float64)
    y = model(x).argmax(1)
    best = torch.stack([torch.cdist(x[i].reshape(1, 2), grid[seen != y[i]]).amin() for i in range(30)])
    x_adv = MinL2()(model, x, y)
    length = norms(x_adv - x, "l2")
    assert (model(x_adv).argmax(1) != y).all()
    assert (length > best - 4e-3).all()  # two cells of the grid
    assert (length < 1.01 * best + 2e-3).double().mean() > 0.9


@pytest.mark.parametrize("targeted", [False, True])
def test_nearer_than_deepfool_and_as_often(targeted, mlp, batch):
    x, y = batch
    y_target = (mlp(x).argmax(1) + 1) % 4 if targeted else None
    ours, theirs = MinL2()(mlp, x, y, y_target=y_target), DeepFool()(mlp, x, y, y_target=y_target)
    fooled = [(mlp(a).argmax(1) == y_target) if targeted else (mlp(a).argmax(1) != y) for a in (ours, theirs)]
    assert (fooled[0] >= fooled[1]).all()
    assert torch.equal(ours[~fooled[0]], x[~fooled[0]])
    both = fooled[0] & fooled[1]
    mine, other = norms(ours - x, "l2")[both], norms(theirs - x, "l2")[both]
    assert mine.mean() < 0.97 * other.mean()
    alone = torch.cat([mlp(ours[i : i + 1]) for i in range(64)])
    assert torch.equal(alone.argmax(1), mlp(ours).argmax(1))


def test_slack_looks_at_more_rivals(linear):
    model, x, y = polytope((3, 4, 4), 40, faces=6, classes=7, seed=1)
    passes = [MinL2(slack=slack).run(model, x, y).backward_passes.sum() for slack in (1.0, 1.5, 4.0)]
    assert passes[0] < passes[1] < passes[2]


def test_no_gradient_leaves_an_image_as_it_is(batch):
    x, y = batch
    x_adv = MinL2()(lambda x: 0 * x.flatten(1)[:, :4] + torch.eye(4)[0], x, torch.zeros_like(y))
    assert torch.equal(x_adv, x)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("steps", 1.5), ("candidates", 0), ("slack", 0.9), ("slack", math.inf)]
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be"):
        MinL2(**{field: value})


def test_no_farther_than_the_short_search_from_another_side(mlp, batch):
    x, y = batch
    ours, theirs = (norms(attack(mlp, x, y) - x, "l2") for attack in (MinL2(), DDN(steps=15, gamma=0.15)))
    assert (ours[theirs > 0] <= theirs[theirs > 0]).all()
    assert (ours < theirs).any()
