"""DDN against exact distances, and against the paper's algorithm written out for one image."""

import math

import numpy as np
import pytest
import torch
from linear_oracle import at_distance, rows_opposed, rows_with_blocks
from piecewise_oracle import distances, polytope

from hardlight.attacks import DDN
from hardlight.tensors import norms


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_closed_form_of_a_linear_model(dtype, linear):
    weight = rows_opposed(48, seed=1)
    for radius in (0.05, 0.3):
        x, y = at_distance(weight, (3, 4, 4), 20, "l2", radius)
        x, model = x.to(dtype), linear(weight.to(dtype))
        x_adv = DDN()(model, x, y)
        assert (model(x_adv).argmax(1) != y).all()
        torch.testing.assert_close(norms(x_adv - x, "l2"), torch.full_like(x[:, 0, 0, 0], radius), rtol=2e-3, atol=0)


def test_a_hyperplane_with_the_box_in_the_way():
    net, x, y = polytope((1, 4, 4), 40, faces=1)
    x_adv = DDN(steps=200)(net, x, y)
    assert (net(x_adv).argmax(1) != y).all()
    share = norms(x_adv - x, "l2") / distances(net, x, "l2")
    assert share.min() >= 1 - 1e-9
    assert share.max() < 1.02


@pytest.mark.parametrize("classes", [2, 3])
def test_a_polytope_is_left_by_one_of_its_faces(classes):
    net, x, y = polytope((1, 4, 4), 40, classes=classes)
    x_adv = DDN()(net, x, y)
    assert (net(x_adv).argmax(1) != y).all()
    share = norms(x_adv - x, "l2") / distances(net, x, "l2")
    assert share.min() >= 1 - 1e-9
    assert share.median() < 1.5  # the gradient shows the steepest face, which often is not the nearest


def test_targeted(linear):
    weight = rows_with_blocks(4, 12, seed=0)
    x = 0.4 + 0.2 * torch.rand(30, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = linear(weight)(x).argmax(1)
    y_target = (y + 1 + torch.arange(30) % 3) % 4
    x_adv = DDN()(linear(weight), x, y, y_target=y_target)
    assert (linear(weight)(x_adv).argmax(1) == y_target).all()
    z = linear(weight)(x).detach()
    lead = z.amax(1) - z.gather(1, y_target[:, None]).squeeze(1)
    assert (norms(x_adv - x, "l2") >= lead / math.sqrt(6) - 1e-9).all()  # the distance from the nearest rival alone


def written_out(model, image, label, steps, init_norm, gamma, levels):
    """For one image; the image itself if nothing is found."""
    x = image.numpy()
    at, best, shortest, radius = x, x, np.inf, init_norm
    for step in range(steps + 1):
        leaf = torch.tensor(at[None], requires_grad=True)
        logits = model(leaf)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([label]))
        gradient = torch.autograd.grad(loss, leaf)[0][0].numpy()
        fooled = logits.argmax(1).item() != label
        if fooled and np.linalg.norm(at - x) < shortest:
            best, shortest = at, np.linalg.norm(at - x)
        if step == steps:
            return best
        radius = min(radius * (1 - gamma if fooled else 1 + gamma), np.linalg.norm(np.maximum(x, 1 - x)))
        size = 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
        delta = at - x + size * gradient / np.linalg.norm(gradient)
        at = np.clip(x + radius * delta / np.linalg.norm(delta), 0, 1)
        if levels is not None:
            at = np.round(at * (levels - 1)) / (levels - 1)


@pytest.mark.parametrize("levels", [None, 256, 6])
def test_it_is_the_algorithm_written_out(levels, mlp, batch):
    model, x, y = mlp.double(), batch[0][:24].double(), batch[1][:24]
    expected = np.stack([written_out(model, x[n], int(y[n]), 25, 0.2, 0.1, levels) for n in range(24)])
    x_adv = DDN(steps=25, init_norm=0.2, gamma=0.1, levels=levels)(model, x, y)
    assert (x_adv != x).flatten(1).any(1).sum() >= 15
    assert np.abs(x_adv.numpy() - expected).max() < 1e-5


def test_levels_are_what_an_image_file_holds(mlp, batch):
    x, y = batch
    x_adv = DDN(levels=256)(mlp, x, y)
    moved = (x_adv != x).flatten(1).any(1)
    assert moved.sum() > 50
    stored = (x_adv[moved] * 255).round().to(torch.uint8)
    assert torch.equal(stored.float() / 255, x_adv[moved])
    assert (mlp(stored.float() / 255).argmax(1) != y[moved]).all()


def test_what_it_costs_and_what_is_wrong_already(mlp, batch):
    x, y = batch
    wrong = mlp(x).argmax(1) != y
    outcome = DDN(steps=9).run(mlp, x, y)
    assert torch.equal(outcome.x_adv[wrong], x[wrong])
    assert outcome.forward_passes.tolist() == torch.where(wrong, 1, 10).tolist()
    assert outcome.backward_passes.tolist() == torch.where(wrong, 1, 9).tolist()


@pytest.mark.parametrize("slope", [0.0, 1e-3])
def test_unchanged_where_there_is_no_gradient_or_no_way(slope, linear):
    weight = torch.stack([torch.zeros(12), torch.full((12,), slope)])
    x, y = torch.full((5, 3, 2, 2), 0.5), torch.zeros(5, dtype=torch.int64)
    assert torch.equal(DDN(steps=5)(lambda z: linear(weight)(z) + torch.tensor([1.0, 0.0]), x, y), x)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("init_norm", 0), ("gamma", -0.1), ("gamma", 1.1), ("levels", 1)]
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=rf"{field} must be .*, got"):
        DDN(**{field: value})
