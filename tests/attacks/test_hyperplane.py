"""The nearest point of a hyperplane in the box, against linear programs and every set of pixels at the box's edge."""

import itertools

import pytest
import torch
from scipy.optimize import linprog

from hardlight.attacks.hyperplane import to_hyperplane
from hardlight.tensors import norms


def problems(n, pixels, seed=0):
    """Images with pixels on the edges, normals with zeros, values on both sides; about a third miss the box."""
    g = torch.Generator().manual_seed(seed)
    x = (1.6 * torch.rand(n, pixels, generator=g, dtype=torch.float64) - 0.3).clamp(0, 1)
    w = torch.randn(n, pixels, generator=g, dtype=torch.float64) * (torch.rand(n, pixels, generator=g) < 0.8)
    return x, w, 2 * torch.randn(n, generator=g, dtype=torch.float64)


def by_linear_program(x, w, value, norm):
    """The least norm, or None if there is no such point: δ is split into two parts ≥ 0."""
    d = len(x)
    bounds = [(0, 1 - p) for p in x.tolist()] + [(0, p) for p in x.tolist()]
    equal = torch.cat([w, -w])[None].numpy()
    if norm == "l1":
        found = linprog([1.0] * 2 * d, A_eq=equal, b_eq=[-value], bounds=bounds)
    else:
        above = torch.cat([torch.eye(2 * d), -torch.ones(2 * d, 1)], 1).numpy()
        zero = torch.zeros(1, 1).numpy()
        equal = torch.cat([torch.tensor(equal), torch.tensor(zero)], 1).numpy()
        objective = [0.0] * 2 * d + [1.0]
        found = linprog(objective, A_ub=above, b_ub=[0] * 2 * d, A_eq=equal, b_eq=[-value], bounds=[*bounds, (0, None)])
    return found.fun if found.success else None


def by_every_edge(x, w, value):
    """The least l2 norm over every choice of the pixels that are at the box's edge, the others in proportion to w."""
    gain = w.abs()
    room = torch.where(w * value < 0, 1 - x, x) * (w != 0)
    shortest = None
    for full in itertools.product([True, False], repeat=len(x)):
        full = torch.tensor(full)
        rest = (gain[~full] ** 2).sum()
        left = abs(value) - (gain * room)[full].sum()
        if rest == 0 and left.abs() > 1e-12:
            continue
        step = torch.where(full, room, gain * (left / rest if rest > 0 else 0))
        if (step >= -1e-12).all() and (step <= room + 1e-12).all():
            shortest = min(float(step.norm()), shortest or 1e9)
    return shortest


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_least_step_to_the_hyperplane(norm):
    x, w, value = problems(80, 6)
    step = to_hyperplane(x, w, value, norm)
    length, rest = norms(step, norm), value + (w * step).sum(1)
    assert ((x + step) > -1e-12).all()
    assert ((x + step) < 1 + 1e-12).all()
    missed = 0
    for n in range(80):
        v = float(value[n])
        least = by_every_edge(x[n], w[n], v) if norm == "l2" else by_linear_program(x[n], w[n], v, norm)
        if least is None:  # the corner of the box that is nearest to it, through the pixels that the normal names
            missed += 1
            corner = torch.where(w[n] * v < 0, 1.0, 0.0).to(x)
            torch.testing.assert_close(x[n] + step[n], torch.where(w[n] == 0, x[n], corner))
        else:
            assert float(rest[n].abs()) < 1e-12
            assert float(length[n]) == pytest.approx(least, rel=1e-6)
    assert 10 < missed < 40


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_images_in_float32(norm):
    """It is the step in float64, up to rounding; also with normals whose squares a float32 cannot hold."""
    x, w, value = problems(20, 784)
    exact = to_hyperplane(x, w, value, norm)
    shaped = x.float().reshape(20, 1, 28, 28), w.float().reshape(20, 1, 28, 28)
    step = to_hyperplane(*shaped, value.float(), norm)
    assert step.dtype == torch.float32
    torch.testing.assert_close(step.flatten(1).double(), exact, rtol=1e-4, atol=1e-6)
    tiny = to_hyperplane(shaped[0], 1e-30 * shaped[1], 1e-30 * value.float(), norm)
    torch.testing.assert_close(tiny, step, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_no_step(norm):
    """Without a normal, and on the hyperplane; where the normal is all but zero the step still is finite."""
    x = torch.tensor([[0.0, 0.3, 1.0]]).expand(3, 3)
    w = torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [1e-38, 0.0, 0.0]])
    step = to_hyperplane(x, w, torch.tensor([1e15, 0.0, -1e15]), norm)
    assert step.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]
