"""DeepFool against the closed form on linear models, and against the paper's algorithm image by image."""

import math

import pytest
import torch
from linear_oracle import DUAL, rows_opposed
from torch import nn

from hardlight.attacks import DeepFool
from hardlight.tensors import norms

NORMS = pytest.mark.parametrize("norm", ["l2", "linf"])
ALL = 1e15  # the slack that passes over no rival


@pytest.fixture
def uneven(linear):
    """Five classes, some five times as steep as others, and 60 images near grey: float64."""
    g = torch.Generator().manual_seed(3)
    weight = torch.randn(5, 48, generator=g, dtype=torch.float64) * torch.tensor([[1.0], [1.0], [0.2], [2.0], [5.0]])
    x = 0.5 + 0.1 * (torch.rand(60, 3, 4, 4, generator=g, dtype=torch.float64) - 0.5)
    model = linear(weight)
    return model, x, model(x).argmax(1)


@pytest.fixture
def curved():
    """A smooth net of 6 classes on (3, 4, 4) images, and 64 images, some of whose pixels are on the edge of the box."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 32), nn.Tanh(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 6))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2
    net = net.double()
    x = (1.1 * torch.rand(64, 3, 4, 4, dtype=torch.float64) - 0.05).clamp(0, 1)
    y = net(x).argmax(1)
    y[::8] = (y[::8] + 1) % 6
    return net, x, y


def distances(model, x, y, norm):
    """Of every class's boundary with the label's, infinite for the label: (N, K)."""
    z, weight = model(x).detach(), model.weight.detach()
    gap = z.gather(1, y[:, None]) - z
    steep = torch.linalg.vector_norm(weight[None] - weight[y][:, None], DUAL[norm], dim=2)
    return (gap / steep).scatter(1, y[:, None], torch.inf)


def written_out(model, image, label, norm, steps, overshoot, target=None):
    """The paper's loop for one image (1, ...), every rival's gradient taken, no step under 1e-5; and its steps.

    Close to the boundary the step is as long as it takes to cross it in the box.
    """
    x, first = image, None
    for step in range(steps + 1):
        x = x.clone().requires_grad_()
        z = model(x)[0]
        top = int(z.argmax())
        if (top != label) if target is None else (top == target):
            return x.detach(), step
        if step == steps:
            break
        pairs = [(k, label) for k in range(len(z)) if k != label] if target is None else [(target, top)]
        best = (math.inf, None)
        for up, down in pairs:
            (w,) = torch.autograd.grad(z[up] - z[down], x, retain_graph=True)
            distance = float((z[down] - z[up]).detach() / torch.linalg.vector_norm(w, DUAL[norm]))
            best = min(best, (distance, w), key=lambda each: each[0])
        distance, w = best
        way = w.sign() if norm == "linf" else w / w.norm()
        size = max((1 + overshoot) * distance, 1e-5)
        gap = size * float(torch.linalg.vector_norm(w, DUAL[norm]))
        first = first or gap
        if gap < 0.05 * first:
            size = crossing(x.detach(), way, w, gap)
        x = (x + size * way).clamp(0, 1).detach()
    return image, steps


def crossing(x, way, w, gap):
    """How far along ``way``, clipped to the box, w·x grows by ``gap``, by bisection."""
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        grown = float((w * ((x + middle * way).clamp(0, 1) - x)).sum())
        low, high = (middle, high) if grown < gap else (low, middle)
    return high


@NORMS
@pytest.mark.parametrize("overshoot", [0.0, 0.02, 0.5])
def test_a_linear_models_nearest_boundary(norm, overshoot, uneven):
    model, x, y = uneven
    away = distances(model, x, y, norm)
    assert (model(x).scatter(1, y[:, None], -torch.inf).argmax(1) != away.argmin(1)).double().mean() > 0.2
    outcome = DeepFool(norm=norm, overshoot=overshoot, slack=ALL).run(model, x, y)
    assert outcome.forward_passes.tolist() == [2] * 60
    assert outcome.backward_passes.tolist() == [4] * 60
    torch.testing.assert_close(norms(outcome.x_adv - x, norm), (1 + overshoot) * away.amin(1), rtol=1e-8, atol=1e-10)
    if overshoot < 0.5:  # further out another class may lead
        assert torch.equal(model(outcome.x_adv).argmax(1), away.argmin(1))


@NORMS
def test_laziness_finds_the_same_with_fewer_gradients(norm, curved):
    model, x, y = curved
    every = DeepFool(norm=norm, slack=ALL).run(model, x, y)
    lazy = DeepFool(norm=norm).run(model, x, y)
    same = torch.isclose(lazy.x_adv, every.x_adv, atol=1e-6).flatten(1).all(1)
    assert same.double().mean() > 0.9
    right = model(x).argmax(1) == y
    assert lazy.backward_passes[right].sum() < 0.7 * every.backward_passes[right].sum()


def test_a_rival_is_passed_over_only_if_it_had_to_be_steeper_than_slack(linear):
    """Boundaries 0.1 away for class 1, of slope 1, and 0.08 for class 2, of slope 2.5."""
    weight = torch.zeros(3, 4, dtype=torch.float64)
    weight[1, 0], weight[2, 1] = 1, 2.5
    model = linear(weight)
    x = torch.tensor([[0.4, 0.42, 0.5, 0.5]], dtype=torch.float64).reshape(1, 1, 2, 2)
    y = torch.tensor([0])
    for slack, far in ((1.0, 0.1), (1.9, 0.1), (2.1, 0.08), (ALL, 0.08)):
        outcome = DeepFool(slack=slack, overshoot=0.0).run(model, x, y)
        assert float(norms(outcome.x_adv - x, "l2")) == pytest.approx(far, rel=1e-9)
        assert int(outcome.backward_passes) == (1 if far == 0.1 else 2)


def test_only_the_candidates_are_rivals(linear):
    weight = torch.zeros(3, 4, dtype=torch.float64)
    weight[1, 0], weight[2, 1] = 1, 2.5
    x = torch.tensor([[0.4, 0.42, 0.5, 0.5]], dtype=torch.float64).reshape(1, 1, 2, 2)
    outcome = DeepFool(candidates=1, slack=ALL, overshoot=0.0).run(linear(weight), x, torch.tensor([0]))
    assert float(norms(outcome.x_adv - x, "l2")) == pytest.approx(0.1, rel=1e-9)


@NORMS
@pytest.mark.parametrize(("targeted", "steps"), [(False, 4), (True, 10)])
def test_the_papers_loop_image_by_image(norm, targeted, steps, curved):
    model, x, y = curved
    y_target = (model(x).argmax(1) + 1 + torch.arange(64) % 2) % 6 if targeted else None
    found = [
        written_out(model, x[i : i + 1], int(y[i]), norm, steps, 0.02, None if y_target is None else int(y_target[i]))
        for i in range(64)
    ]
    outcome = DeepFool(norm=norm, steps=steps, slack=ALL).run(model, x, y, y_target=y_target)
    torch.testing.assert_close(outcome.x_adv, torch.cat([image for image, _ in found]), rtol=0, atol=1e-7)
    made = torch.tensor([each for _, each in found])
    assert len(set(made.tolist())) >= 4
    moved = (outcome.x_adv != x).flatten(1).any(1)
    assert 0.5 < moved.double().mean() < 1
    if targeted:
        wasted = outcome.backward_passes - made  # with others of its batch, when it had arrived
        assert set(wasted.tolist()) <= {0, 1}
        assert torch.equal(model(outcome.x_adv).argmax(1) == y_target, moved)


@NORMS
def test_two_classes_either_way(norm, linear):
    weight = rows_opposed(48, seed=2)
    model = linear(weight)
    g = torch.Generator().manual_seed(5)
    x = 0.5 + 0.1 * (torch.rand(30, 3, 4, 4, generator=g, dtype=torch.float64) - 0.5)
    y = model(x).argmax(1)
    far = (model(x)[:, 0] - model(x)[:, 1]).abs() / torch.linalg.vector_norm(2 * weight[0], DUAL[norm])
    for more in ({}, {"y_target": 1 - y}):
        x_adv = DeepFool(norm=norm)(model, x, y, **more)
        torch.testing.assert_close(norms(x_adv - x, norm), 1.02 * far.detach(), rtol=1e-8, atol=1e-10)
        assert torch.equal(model(x_adv).argmax(1), 1 - y)


@NORMS
def test_what_it_returns_is_fooled_in_any_batch_or_unchanged(norm, curved):
    model, x, y = curved
    x_adv = DeepFool(norm=norm, overshoot=0.0)(model, x, y)
    fooled = model(x_adv).argmax(1) != y
    alone = torch.cat([model(x_adv[i : i + 1]) for i in range(64)]).argmax(1) != y
    assert torch.equal(fooled, alone)
    assert fooled.double().mean() > 0.9
    assert torch.equal(x_adv[~fooled], x[~fooled])
    wrong = model(x).argmax(1) != y
    assert torch.equal(x_adv[wrong], x[wrong])


def test_no_gradient_leaves_an_image_as_it_is(batch):
    x, y = batch
    for model in (lambda x: 0 * x.flatten(1)[:, :4] + 1, lambda x: x.flatten(1)[:, :4] * 0 + torch.eye(4)[0]):
        outcome = DeepFool().run(model, x, torch.zeros_like(y))
        assert torch.equal(outcome.x_adv, x)
        assert outcome.forward_passes.tolist() == [1] * 64  # and is not asked for again


def test_an_image_on_the_boundary_is_moved_off_it():
    """Black, where a net without biases has all logits 0."""

    def model(x):
        return x.flatten(1) @ torch.tensor([[0.0, 1.0, 0.5]] * 4)

    x = torch.zeros(2, 1, 2, 2)
    x_adv = DeepFool()(model, x, torch.tensor([0, 0]))
    assert model(x_adv).argmax(1).tolist() == [1, 1]
    assert norms(x_adv, "l2").max() < 1e-4


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("steps", 1.5), ("overshoot", -0.1), ("overshoot", math.nan), ("candidates", 0), ("slack", 0.9)],
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be"):
        DeepFool(**{field: value})
