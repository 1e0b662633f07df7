"""The oracle's own proof: its distances against linear programs, a quadratic one, and all sets of pixels."""

from itertools import chain, combinations

import numpy as np
import pytest
import torch
from piecewise_oracle import distances, polytope
from scipy.optimize import linprog, minimize

SHAPES = [(1, 2, 2), (3, 1, 2)]


def to_a_face(a, b, x, norm):
    """The least norm of d with a·(x + d) ≥ b and x + d in the box, by a general solver."""
    size = len(x)
    box = [(-v, 1 - v) for v in x]
    if norm == "linf":  # over (d, t): t with |d| ≤ t
        eye, one = np.eye(size), np.ones((size, 1))
        rows = np.block([[-a[None], np.zeros((1, 1))], [eye, -one], [-eye, -one]])
        bounds = [a @ x - b, *[0] * 2 * size]
        return linprog([*[0] * size, 1], A_ub=rows, b_ub=bounds, bounds=[*box, (0, 1)]).fun
    if norm == "l1":  # over (d⁺, d⁻)
        pairs = [*((0, high) for _, high in box), *((0, -low) for low, _ in box)]
        return linprog(np.ones(2 * size), A_ub=np.concatenate([-a, a])[None], b_ub=[a @ x - b], bounds=pairs).fun
    if norm == "l2":
        crossed = {"type": "ineq", "fun": lambda d: a @ (x + d) - b, "jac": lambda d: a}
        start = (a > 0) - x  # the furthest corner
        found = minimize(lambda d: d @ d, start, jac=lambda d: 2 * d, bounds=box, constraints=crossed, tol=1e-14)
        return np.sqrt(found.fun)
    best = np.maximum(a * (1 - x), -a * x)
    sets = chain.from_iterable(combinations(range(size), k) for k in range(size + 1))
    return min(len(some) for some in sets if a @ x + best[list(some)].sum() >= b)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
@pytest.mark.parametrize("shape", SHAPES)
def test_distances_are_the_least_over_the_faces(shape, norm):
    net, x, _ = polytope(shape, 12, faces=4)
    faces = list(zip(net.normals.detach().numpy(), net.offsets.detach().numpy(), strict=True))
    expected = [min(to_a_face(a, b, image, norm) for a, b in faces) for image in x.flatten(1).numpy()]
    torch.testing.assert_close(distances(net, x, norm), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=0)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_images_are_inside_and_the_steepest_face_is_often_not_the_nearest(classes):
    net, x, y = polytope((1, 4, 4), 50, classes=classes)
    logits = net(x)
    assert logits.shape == (50, classes)
    assert (logits.argmax(1) == y).all()
    assert ((x == 0) | (x == 1)).any()
    missing = net.offsets - x.flatten(1) @ net.normals.T
    nearest = (missing / net.normals.norm(dim=1)).argmin(1)
    assert 0.2 < (nearest != missing.argmin(1)).double().mean() < 0.9
