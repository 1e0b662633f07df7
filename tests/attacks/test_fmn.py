"""FMN against exact distances, and against the paper's algorithm written out for one image."""

import math

import numpy as np
import pytest
import torch
from linear_oracle import at_distance, rows_opposed, rows_with_blocks
from piecewise_oracle import distances, polytope

from hardlight.attacks import FMN
from hardlight.tensors import norms

NORMS = ["linf", "l2", "l1", "l0"]
every_norm = pytest.mark.parametrize("norm", NORMS)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_closed_form_of_a_linear_model(norm, dtype, linear):
    weight = rows_opposed(48, seed=1)
    for radius in (0.01, 0.05):
        x, y = at_distance(weight, (3, 4, 4), 20, norm, radius)
        x, model = x.to(dtype), linear(weight.to(dtype))
        x_adv = FMN(norm=norm)(model, x, y)
        assert (model(x_adv).argmax(1) != y).all()
        torch.testing.assert_close(norms(x_adv - x, norm), torch.full_like(x[:, 0, 0, 0], radius), rtol=1e-3, atol=0)


@every_norm
def test_a_hyperplane_with_the_box_in_the_way(norm):
    net, x, y = polytope((1, 4, 4), 40, faces=1)
    x_adv = FMN(norm=norm)(net, x, y)
    assert (net(x_adv).argmax(1) != y).all()
    exact, found = distances(net, x, norm), norms(x_adv - x, norm)
    assert (found >= exact * (1 - 1e-9)).all()
    assert (found <= exact * 1.005 + (norm == "l0")).all()


@pytest.mark.parametrize("classes", [2, 3])
@every_norm
def test_a_polytope_is_left_by_one_of_its_faces(norm, classes):
    net, x, y = polytope((1, 4, 4), 40, classes=classes)
    x_adv = FMN(norm=norm)(net, x, y)
    assert (net(x_adv).argmax(1) != y).all()
    share = norms(x_adv - x, norm) / distances(net, x, norm)
    assert share.min() >= 1 - 1e-9
    assert share.median() < 1.5  # the gradient shows the steepest face, which often is not the nearest


@every_norm
def test_targeted_on_a_linear_model(norm, linear):
    """Every class is equally steep against the target: the distance is a rival's lead over it, in closed form."""
    weight = rows_with_blocks(4, 12, seed=0)
    x = 0.4 + 0.2 * torch.rand(30, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y_target = (linear(weight)(x).argmax(1) + 1 + torch.arange(30) % 3) % 4
    x_adv = FMN(norm=norm)(linear(weight), x, x.new_zeros(30, dtype=torch.int64), y_target=y_target)
    assert (linear(weight)(x_adv).argmax(1) == y_target).all()
    if norm == "linf":  # the target's pixels and every rival's move by the same
        z = linear(weight)(x).detach()
        lead = z.amax(1) - z.gather(1, y_target[:, None]).squeeze(1)
        torch.testing.assert_close(norms(x_adv - x, norm), lead / 6, rtol=5e-3, atol=0)


def confined(delta, x, norm, radius):
    """The perturbation of one flat image in the ball, and in l1 at once in the box."""
    if norm == "linf":
        return np.clip(delta, -radius, radius)
    if norm == "l2":
        delta = np.clip(x + delta, 0, 1) - x
        return delta * min(1, radius / np.linalg.norm(delta))
    if norm == "l0":
        kept = np.argsort(-np.abs(delta), kind="stable")[: max(int(radius), 0)]
        return np.where(np.isin(np.arange(len(delta)), kept), delta, 0)
    size, room = np.abs(delta), np.where(delta > 0, 1 - x, x)
    low, high = 0.0, size.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(size - middle, 0, room).sum() > radius else (low, middle)
    return np.sign(delta) * np.clip(size - high, 0, room)


def written_out(model, image, label, norm, steps, gamma_0):
    """For one image, with the margin for loss; the image itself if nothing is found."""
    order, dual = {"linf": (np.inf, 1), "l2": (2, 2), "l1": (1, np.inf), "l0": (0, None)}[norm]
    x = image.numpy().ravel()
    at, best, shortest, radius = x, x, np.inf, 0.0
    farthest = np.linalg.norm(np.maximum(x, 1 - x), order)
    for step in range(steps + 1):
        leaf = torch.tensor(at.reshape(1, *image.shape), requires_grad=True)
        z = model(leaf)[0]
        rival = max((k for k in range(len(z)) if k != label), key=lambda k: z[k].item())
        lead = z[rival] - z[label]
        gradient = torch.autograd.grad(lead, leaf)[0].numpy().ravel()
        length = np.linalg.norm(at - x, order)
        if lead > 0 and length < shortest:
            best, shortest = at, length
        if step == steps:
            return best.reshape(image.shape)
        cosine = (1 + math.cos(math.pi * step / steps)) / 2
        gamma = gamma_0 / 50 + (gamma_0 - gamma_0 / 50) * cosine
        if lead > 0:
            radius = min(radius - 1, math.floor(radius * (1 - gamma))) if norm == "l0" else radius * (1 - gamma)
            radius = min(radius, shortest)
        elif norm == "l0":
            radius = max(radius + 1, math.floor(radius * (1 + gamma if shortest < np.inf else 1.5)))
        elif shortest < np.inf:
            radius *= 1 + gamma
        else:
            radius = (length + abs(lead.item()) / np.linalg.norm(gradient, dual)) * (1 + gamma)
        radius = min(radius, farthest)
        moved = at - x + (0.01 + 0.99 * cosine) * gradient / np.linalg.norm(gradient)
        at = np.clip(x + confined(moved, x, norm, radius), 0, 1)


@every_norm
def test_it_is_the_algorithm_written_out(norm, mlp, batch):
    model, x, y = mlp.double(), batch[0][:24].double(), batch[1][:24]
    expected = np.stack([written_out(model, x[n], int(y[n]), norm, 25, 0.1) for n in range(24)])
    x_adv = FMN(norm=norm, steps=25, gamma=0.1, loss="margin")(model, x, y)
    assert (x_adv != x).flatten(1).any(1).sum() >= 20
    assert np.abs(x_adv.numpy() - expected).max() < 1e-9


@every_norm
def test_what_it_costs_and_what_is_wrong_already(norm, mlp, batch):
    x, y = batch
    wrong = mlp(x).argmax(1) != y
    outcome = FMN(norm=norm, steps=9).run(mlp, x, y)
    assert torch.equal(outcome.x_adv[wrong], x[wrong])
    assert outcome.forward_passes.tolist() == torch.where(wrong, 1, 10).tolist()
    assert outcome.backward_passes.tolist() == torch.where(wrong, 1, 9).tolist()


@every_norm
def test_unchanged_where_there_is_no_gradient_or_no_way(norm, linear):
    weight = torch.zeros(2, 12)
    x, y = torch.full((5, 3, 2, 2), 0.5), torch.zeros(5, dtype=torch.int64)
    assert torch.equal(FMN(norm=norm, steps=5)(lambda z: linear(weight)(z) + torch.tensor([1.0, 0.0]), x, y), x)
    weight[1] = 1e-3
    assert torch.equal(FMN(norm=norm, steps=5)(lambda z: linear(weight)(z) + torch.tensor([1.0, 0.0]), x, y), x)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("step_size", 0), ("gamma", -0.1), ("gamma", 1.1), ("loss", "hinge")]
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=rf"{field} must be .*, got"):
        FMN(**{field: value})
