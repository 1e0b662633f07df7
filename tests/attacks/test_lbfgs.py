"""Szegedy et al.'s attack, against closed forms and a minimum found by brute force."""

import pytest
import torch
from linear_oracle import at_distance, rows_opposed, rows_with_blocks
from torch import nn
from torch.nn.functional import cross_entropy

from hardlight.attacks import LBFGS, Goal, Queries
from hardlight.tensors import norms


@pytest.mark.parametrize("radius", [0.05, 0.4])
def test_the_closed_form_of_two_classes(radius, linear):
    weight = rows_opposed(48, seed=1)
    x, y = at_distance(weight, (3, 4, 4), 12, "l2", radius)
    model = linear(weight)
    x_adv = LBFGS(binary_search_steps=12)(model, x, y)
    assert (model(x_adv).argmax(1) != y).all()
    length = norms(x_adv - x, "l2")
    assert (length >= radius * (1 - 1e-9)).all()
    assert (length <= radius * 1.01).all()


def test_the_closed_form_towards_a_target(linear):
    """So steep a model that no third class has a share in the cross-entropy near the boundary."""
    weight = 10 * rows_with_blocks(4, 48, seed=1)
    x, y = at_distance(weight, (3, 4, 4), 12, "l2", 0.3)
    y_target = (y + 1) % 4
    z = linear(weight)(x).detach()
    lead = (z.gather(1, y[:, None]) - z.gather(1, y_target[:, None])).squeeze(1)
    x_adv = LBFGS(binary_search_steps=12)(linear(weight), x, y, y_target=y_target)
    assert (linear(weight)(x_adv).argmax(1) == y_target).all()
    least = lead / (weight[0] - weight[1]).norm()
    assert (norms(x_adv - x, "l2") >= least * (1 - 1e-9)).all()
    assert (norms(x_adv - x, "l2") <= 1.02 * least).all()


def test_the_box_holds_and_its_edges_are_left():
    """The nearest point of the half-space within the box, its multiplier found by bisection."""
    g = torch.Generator().manual_seed(3)
    weight = torch.randn(12, generator=g, dtype=torch.float64)
    x = (1.6 * torch.rand(8, 12, generator=g, dtype=torch.float64) - 0.3).clamp(0, 1)
    offset = (x @ weight) + 0.6 * weight.norm()
    for n in range(8):
        low, high = 0.0, 100.0
        for _ in range(100):
            middle = (low + high) / 2
            reached = (x[n] + middle * weight).clamp(0, 1) @ weight > offset[n]
            low, high = (low, middle) if reached else (middle, high)
        expected = (x[n] + high * weight).clamp(0, 1)
        assert (expected != x[n] + high * weight).any()

        class Side(nn.Module):
            def forward(self, images, n=n):
                far = images.flatten(1) @ weight - offset[n]
                return torch.stack([-far, far], 1)

        image = x[n : n + 1].reshape(1, 3, 2, 2)
        x_adv = LBFGS(binary_search_steps=14)(Side(), image, torch.tensor([0]))
        assert Side()(x_adv).argmax(1) == 1
        least = (expected - x[n]).norm()
        assert least <= norms(x_adv - image, "l2") <= 1.01 * least


def test_each_minimisation_ends_at_the_minimum_of_its_objective():
    """For a const each, against many steps of plain projected gradient descent in float64, on a smooth net."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3)).double()
    x = torch.rand(6, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y_target = (net(x).argmax(1) + 1) % 3
    const = torch.tensor([0.1, 0.3, 1.0, 2.0, 3.0, 10.0], dtype=torch.float64)

    def objective(images):
        distance = (images - x).flatten(1).square().sum(1)
        return distance + const * cross_entropy(net(images), y_target, reduction="none")

    plain = x.clone()
    for _ in range(3000):
        plain.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(plain).sum(), plain)
        plain = (plain - 0.02 * gradient).clamp(0, 1).detach()

    seen = []

    class Watched(nn.Module):
        def forward(self, images):
            seen.append(images.detach().clone())
            return net(images)

    values = []
    for n in range(6):
        seen.clear()
        queries = Queries(Watched(), 1, x.device)
        goal = Goal(y_target[n : n + 1], targeted=True)
        LBFGS()._minimise(queries, x[n : n + 1], goal, const[n : n + 1])
        assert len(seen) < 40
        full = torch.stack([torch.cat([x[:n], image, x[n + 1 :]]) for image in seen])
        values.append(min(float(objective(each)[n]) for each in full))
    torch.testing.assert_close(torch.tensor(values).double(), objective(plain).detach(), rtol=1e-5, atol=1e-7)


def test_images_do_not_share_a_line_search(mlp, batch):
    x, y = batch
    model, x = mlp.double(), x.double()
    whole = LBFGS(binary_search_steps=4, steps=20).run(model, x, y)
    part = LBFGS(binary_search_steps=4, steps=20).run(model, x[5:9], y[5:9])
    torch.testing.assert_close(part.x_adv, whole.x_adv[5:9], rtol=0, atol=1e-6)
    assert torch.equal(part.forward_passes, whole.forward_passes[5:9])
    assert len(set(whole.forward_passes.tolist())) > 5


def test_it_fools_where_it_moves(mlp, batch):
    x, y = batch
    for y_target in (None, (mlp(x).argmax(1) + 1) % 4):
        x_adv = LBFGS()(mlp, x, y, y_target=y_target)
        predicted = mlp(x_adv).argmax(1)
        fooled = predicted != y if y_target is None else predicted == y_target
        moved = (x_adv != x).flatten(1).any(1)
        assert fooled[moved].all()
        assert moved.double().mean() > 0.8
        assert torch.equal(fooled, moved | (mlp(x).argmax(1) != y) if y_target is None else moved)


@pytest.mark.parametrize(
    ("field", "value"), [("binary_search_steps", 0), ("initial_const", 0), ("steps", 0), ("norm", "linf")]
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*, got"):
        LBFGS(**{field: value})
