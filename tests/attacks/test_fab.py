"""FAB against closed forms, a net whose nearest boundary is known, and the paper's loop written out image by image."""

import math

import pytest
import torch
from linear_oracle import at_distance, rows_opposed, rows_with_blocks
from piecewise_oracle import distances, polytope

from hardlight.attacks import FAB
from hardlight.attacks.hyperplane import to_hyperplane
from hardlight.tensors import norms

DUAL = {"linf": 1.0, "l2": 2.0, "l1": math.inf}
NORMS = ["linf", "l2", "l1"]


@pytest.mark.parametrize("norm", NORMS)
def test_the_distance_of_a_linear_model(norm, linear):
    weight = rows_with_blocks(4, 48, seed=1)
    for radius in (0.02, 0.1):
        x, y = at_distance(weight, (3, 4, 4), 20, norm, radius)
        x_adv = FAB(norm=norm, steps=3)(linear(weight), x, y)
        assert (linear(weight)(x_adv).argmax(1) != y).all()
        length = norms(x_adv - x, norm)
        assert (length >= radius - 1e-12).all()
        assert (length < radius * 1.001).all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_nearest_of_many_boundaries(norm):
    """Six classes around the image's, of other steepness each, and pixels on the edges of the box."""
    net, x, y = polytope((3, 4, 4), 40, faces=6, classes=7)
    least = distances(net, x, norm)
    length = norms(FAB(norm=norm, steps=5)(net, x, y) - x, norm)
    assert (length >= least * (1 - 1e-9)).all()
    assert (length < least * 1.002).double().mean() > 0.9
    assert (length < least * 1.3).all()


def written_out(model, image, label, norm, steps, alpha_max=0.1, eta=1.05, beta=0.9):
    """The length of the best iterate of one image (1, …), every gradient looked at; infinite if none fools."""
    x, best, shortest = image, image, math.inf
    for _ in range(steps):
        jacobian = torch.autograd.functional.jacobian(lambda image: model(image)[0], x)[:, 0]
        z = model(x)[0].detach()
        f, g = z - z[label], jacobian - jacobian[label]
        ratio = f.abs() / g.flatten(1).norm(p=DUAL[norm], dim=1)
        ratio[label] = math.inf
        k = int(ratio.argmin())
        here = to_hyperplane(x, g[k][None], f[k][None], norm)
        there = to_hyperplane(image, g[k][None], (f[k] + (g[k] * (image - x)).sum())[None], norm)
        a, b = float(norms(here, norm)), float(norms(there, norm))
        alpha = min(a / (a + b), alpha_max)
        x = ((1 - alpha) * (x + eta * here) + alpha * (image + eta * there)).clamp(0, 1)
        if int(model(x).argmax(1)) != label:
            length = float(norms(x - image, norm))
            if length < shortest:
                best, shortest = x, length
            x = image + beta * (x - image)
    low, high = 0.0, 1.0
    for _ in range(10):
        middle = (low + high) / 2
        fools = int(model(image + middle * (best - image)).argmax(1)) != label
        low, high = (low, middle) if fools else (middle, high)
    return high * shortest


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_the_papers_loop(norm, mlp, batch):
    model, x, y = mlp.double(), batch[0][1:13].double(), batch[1][1:13]
    wrong = model(x).argmax(1) != y
    assert 0 < wrong.sum() < 6
    x_adv = FAB(norm=norm, steps=10, slack=1e15)(model, x, y)
    length = norms(x_adv - x, norm)
    for n in range(12):
        expected = 0.0 if wrong[n] else written_out(model, x[n : n + 1], int(y[n]), norm, 10)
        assert float(length[n]) == pytest.approx(0.0 if expected == math.inf else expected, rel=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_fewer_gradients_find_the_same(norm, mlp, batch):
    x, y = batch
    right = mlp(x).argmax(1) == y
    lazy, full = (FAB(norm=norm, steps=12, slack=slack).run(mlp, x, y) for slack in (1.5, 1e15))
    length, other = (norms(each.x_adv - x, norm)[right] for each in (lazy, full))
    assert (length <= 1.001 * other).double().mean() > 0.9
    assert lazy.backward_passes[right].sum() < 0.8 * full.backward_passes[right].sum()
    assert (full.backward_passes[right] <= 12 * 3).all()
    assert (full.backward_passes[~right] == 0).all()


def lengths(model, x, y, norm, **settings):
    """How far each adversarial image is; infinitely where none was found."""
    x_adv = FAB(norm=norm, **settings)(model, x, y)
    return torch.where(model(x_adv).argmax(1) != y, norms(x_adv - x, norm), math.inf)


def test_towards_each_of_the_likeliest_classes(mlp, batch):
    """A run has the gradients of one class only, and more classes are never worse."""
    x, y = batch
    right = mlp(x).argmax(1) == y
    before = torch.full((64,), math.inf)
    for n in (1, 2, 3):
        outcome = FAB(steps=6, target_classes=n).run(mlp, x, y)
        assert (outcome.backward_passes[right] <= n * 6).all()
        assert (outcome.backward_passes[right] > (n - 1) * 6).any()
        length = lengths(mlp, x, y, "linf", steps=6, target_classes=n)
        assert (length <= before * 1.002).all()
        assert (length < before * 0.95).any()
        before = length
    assert before.isfinite().all()
    assert torch.equal(lengths(mlp, x, y, "linf", steps=6, target_classes=100), before)  # there are three


def test_what_it_finds_is_past_the_boundary_and_halving_ends_close_to_it(mlp, batch):
    x, y = batch
    x_adv = FAB(steps=10)(mlp, x, y)
    found = (x_adv != x).flatten(1).any(1)
    assert found.sum() > 50
    assert (mlp(x_adv).argmax(1) != y)[found].all()
    nearer = x + 0.998 * (x_adv - x)
    assert (mlp(nearer).argmax(1) == y)[found].double().mean() > 0.9


@pytest.mark.parametrize("norm", NORMS)
def test_a_restart_starts_around_the_image_and_never_makes_it_worse(norm, mlp, batch):
    x, y = batch
    once, thrice, other = (
        lengths(mlp, x, y, norm, steps=4, restarts=n, seed=seed) for n, seed in ((1, 0), (3, 0), (3, 1))
    )
    assert (thrice <= once).all()
    assert (thrice < 0.99 * once).any()
    assert not torch.equal(thrice, other)


@pytest.mark.parametrize("norm", NORMS)
def test_a_random_start_is_at_half_the_linearised_distance(norm, linear):
    weight = rows_with_blocks(4, 48, seed=1)
    x, y = at_distance(weight, (3, 4, 4), 20, norm, 0.1)
    seen = []

    def watched(x):
        seen.append(x.detach())
        return linear(weight)(x)

    FAB(norm=norm, steps=1, random_start=True)(watched, x, y)
    starts = [each for each in seen if each.shape == x.shape and not torch.equal(each, x)][:1]
    torch.testing.assert_close(
        norms(starts[0] - x, norm), torch.full((20,), 0.05, dtype=torch.float64), rtol=1e-4, atol=0
    )


def test_targeted_ends_in_the_target(mlp, batch, linear):
    x, y = batch
    y_target = (mlp(x).argmax(1) + 1) % 4
    x_adv = FAB(norm="l2", steps=30)(mlp, x, y, y_target=y_target)
    moved = (x_adv != x).flatten(1).any(1)
    assert torch.equal(mlp(x_adv).argmax(1) == y_target, moved)
    assert moved.double().mean() > 0.8
    weight = rows_opposed(48, seed=1)  # of two classes the target is the other
    x, y = at_distance(weight, (3, 4, 4), 20, "l2", 0.1)
    targeted = FAB(norm="l2", steps=3)(linear(weight), x, y, y_target=1 - y)
    torch.testing.assert_close(targeted, FAB(norm="l2", steps=3)(linear(weight), x, y))


def test_without_a_gradient_an_image_stays_and_leaves_at_once():
    def steps(x):
        return torch.stack([0 * x.sum((1, 2, 3)) + 1, (x.flatten(1)[:, 0] - 0.5).relu()], 1)

    x = torch.full((2, 1, 2, 2), 0.2)
    x[1, 0, 0, 0] = 0.8
    outcome = FAB(steps=1000).run(steps, x, torch.zeros(2, dtype=torch.int64))
    assert torch.equal(outcome.x_adv, x)  # even the second: white alone does not reach 1
    assert int(outcome.backward_passes[0]) == 1
    assert int(outcome.forward_passes[0]) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("alpha_max", 1.5),
        ("eta", 0.9),
        ("beta", -0.1),
        ("random_start", 1),
        ("target_classes", 0),
        ("slack", math.nan),
        ("norm", "l0"),
    ],
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*, got"):
        FAB(**{field: value})
