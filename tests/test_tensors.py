from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from hardlight.tensors import (
    NORMS,
    clamp,
    confine,
    norms,
    per_sample,
    project,
    project_l1_box,
    steepest,
    surrogate,
    unit,
)


@pytest.fixture
def delta():
    return torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("norm", "order"), [("linf", np.inf), ("l2", 2), ("l1", 1), ("l0", 0)])
def test_norms_are_numpys_sample_by_sample(delta, norm, order):
    delta[:, 0] = 0
    expected = [np.linalg.norm(sample.numpy().ravel(), order) for sample in delta]
    assert norms(delta, norm).numpy() == pytest.approx(expected, rel=1e-12)


def test_every_norm_is_known_and_no_other():
    for norm in NORMS:
        norms(torch.ones(1, 2), norm)
    for call in (norms, lambda d, n: project(d, n, 1.0), lambda d, n: steepest(d, n, 1.0, d)):
        with pytest.raises(ValueError, match="l3"):
            call(torch.ones(1, 2), "l3")
    with pytest.raises(ValueError, match="linf, l2 and l0"):
        project(torch.ones(1, 2), "l1", 1.0)


def test_per_sample_broadcasts(delta):
    factors = torch.arange(6.0).double()
    assert torch.equal((delta * per_sample(factors, delta))[4], delta[4] * 4)


def test_clamp():
    assert clamp(torch.tensor([-0.1, 0.0, 0.3, 1.0, 1.1])).tolist() == pytest.approx([0, 0, 0.3, 1, 1])


def test_a_surrogate_has_the_value_of_one_and_the_gradient_of_the_other(delta):
    x = delta.requires_grad_()
    y = surrogate(x.sign(), x**2)
    assert torch.equal(y, x.sign())
    (gradient,) = torch.autograd.grad((3 * y).sum(), x)
    assert torch.equal(gradient, 6 * x)


class TestUnit:
    @pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
    @pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
    def test_norm_one_and_the_same_direction_at_any_scale(self, delta, norm, scale):
        scaled = unit(delta * scale, norm)
        torch.testing.assert_close(norms(scaled, norm), torch.ones(6, dtype=torch.float64))
        assert torch.cosine_similarity(scaled.flatten(1), delta.flatten(1)).min() > 1 - 1e-12

    @pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e30])
    def test_tiny_and_huge_float32(self, scale):
        torch.testing.assert_close(unit(torch.full((1, 4), scale), "l2"), torch.full((1, 4), 0.5))

    @pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
    def test_zero_stays_zero_beside_others(self, delta, norm):
        delta[2] = 0
        scaled = unit(delta, norm)
        assert scaled[2].abs().max() == 0
        assert scaled.isfinite().all()


class TestProject:
    @pytest.mark.parametrize("norm", ["linf", "l2"])
    @pytest.mark.parametrize("eps", [0.05, 0.7, 2.0, 1e3])
    def test_is_the_nearest_point_of_the_ball(self, delta, norm, eps):
        projected = project(delta, norm, eps)
        assert (norms(projected, norm) <= eps * (1 + 1e-12)).all()
        for sample, found in zip(delta.flatten(1).numpy(), projected.flatten(1).numpy(), strict=True):
            inside = {"type": "ineq", "fun": lambda d: eps**2 - d @ d}
            settings = {"bounds": [(-eps, eps)] * 12} if norm == "linf" else {"constraints": inside}
            best = minimize(lambda d, s=sample: (d - s) @ (d - s), np.zeros(12), **settings)
            assert best.success
            distance = ((found - sample) @ (found - sample)).item()
            assert distance == pytest.approx(best.fun, rel=1e-4, abs=1e-5)

    @pytest.mark.parametrize("eps", [0, 1, 3.9, 7])
    def test_l0_keeps_the_best_of_all_sets(self, delta, eps):
        delta[0] = 1.0  # all equal
        projected = project(delta, "l0", eps).flatten(1)
        assert norms(projected, "l0").tolist() == [int(eps)] * 6
        assert projected[0, : int(eps)].all()  # of equal ones the first
        for sample, found in zip(delta.flatten(1), projected, strict=True):
            best = min(sample[list(out)].square().sum() for out in combinations(range(12), 12 - int(eps)))
            assert (found - sample).square().sum().item() == pytest.approx(best.item(), rel=1e-12)

    @pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
    def test_a_radius_of_its_own_for_each_sample(self, delta, norm):
        eps, x = torch.tensor([0.0, 0.1, 1.0, 2.5, 7.0, 100.0], dtype=torch.float64), torch.full_like(delta, 0.3)
        each = [confine((x + delta)[i : i + 1], x[:1], norm, float(eps[i])) for i in range(6)]
        torch.testing.assert_close(confine(x + delta, x, norm, eps), torch.cat(each), rtol=0, atol=0)

    @pytest.mark.parametrize("norm", ["linf", "l2", "l0"])
    def test_leaves_what_is_inside(self, delta, norm):
        assert torch.equal(project(delta, norm, 100.0), delta)
        assert torch.equal(project(torch.zeros(2, 3), norm, 0.1), torch.zeros(2, 3))


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_no_point_of_the_ball_does_better_than_the_steepest_step(delta, norm):
    x = torch.full_like(delta, 0.5)
    step = steepest(delta, norm, 0.4, x)
    gain = (step * delta).flatten(1).sum(1)
    torch.testing.assert_close(norms(step, norm), torch.full((6,), 0.4, dtype=torch.float64))
    for seed in range(1, 200):
        other = torch.randn(delta.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert ((0.4 * unit(other, norm) * delta).flatten(1).sum(1) < gain).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_no_gradient_no_step(norm):
    x = torch.full((2, 1, 2, 2), 0.5)
    assert torch.equal(steepest(torch.zeros_like(x), norm, 0.3, x), torch.zeros_like(x))


@pytest.mark.parametrize("norm", NORMS)
def test_no_samples_stay_none_in_every_norm(norm):
    none = torch.zeros(0, 1, 2, 2)
    assert confine(none, none, norm, 1.0).shape == none.shape


def test_l1_passes_over_pixels_without_room_and_without_gradient():
    x = torch.tensor([[1.0, 0.9, 0.5, 0.2]])
    gradient = torch.tensor([[3.0, 2.0, -1.0, 0.0]])
    step = steepest(gradient, "l1", 0.3, x)
    torch.testing.assert_close(step, torch.tensor([[0.0, 0.1, -0.2, 0.0]]))
    torch.testing.assert_close(steepest(gradient, "l1", 9.0, x), torch.tensor([[0.0, 0.1, -0.5, 0.0]]))


class TestL1WithinTheBox:
    @staticmethod
    def threshold(delta, room, eps):
        """The λ at which the norm of min(max(|δ| - λ, 0), room) is eps, or 0, by bisection."""
        low, high = 0.0, np.abs(delta).max()
        if np.minimum(np.abs(delta), room).sum() <= eps:
            return 0.0
        for _ in range(200):
            middle = (low + high) / 2
            spent = np.minimum(np.maximum(np.abs(delta) - middle, 0), room).sum()
            low, high = (middle, high) if spent > eps else (low, middle)
        return high

    @pytest.mark.parametrize(("dtype", "accuracy"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
    @pytest.mark.parametrize("eps", [0.01, 0.3, 2.0, 12.0, 500.0])
    @pytest.mark.parametrize("pixels", [1, 2, 12, 784])
    def test_meets_the_conditions_of_the_optimum(self, pixels, eps, dtype, accuracy):
        g = torch.Generator().manual_seed(pixels)
        x = (1.4 * torch.rand(20, pixels, generator=g) - 0.2).clamp(0, 1).to(dtype)
        delta = (2 * torch.rand(20, 1, generator=g) * torch.randn(20, pixels, generator=g)).to(dtype)
        found = project_l1_box(delta, eps, x).double().numpy()
        x, delta = x.double().numpy(), delta.double().numpy()
        room = np.where(delta > 0, 1 - x, x)
        for k in range(20):
            by = self.threshold(delta[k], room[k], eps)
            expected = np.sign(delta[k]) * np.minimum(np.maximum(np.abs(delta[k]) - by, 0), room[k])
            np.testing.assert_allclose(found[k], expected, rtol=0, atol=accuracy)

    @pytest.mark.parametrize("eps", [0.05, 0.7, 2.0])
    def test_is_the_nearest_point_of_both(self, delta, eps):
        x = torch.rand(delta.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        found = project_l1_box(delta, eps, x)
        assert norms(found, "l1").max() <= eps * (1 + 1e-12)
        for pixels, sample, near in zip(*(t.flatten(1).numpy() for t in (x, delta, found)), strict=True):
            # up and down apart, so that the norm is their sum
            inside = {"type": "ineq", "fun": lambda d: eps - d.sum()}
            bounds = [(0, high) for high in (*(1 - pixels), *pixels)]
            best = minimize(
                lambda d, s=sample: ((d[:12] - d[12:] - s) ** 2).sum(), np.zeros(24), bounds=bounds, constraints=inside
            )
            assert best.success
            assert ((near - sample) ** 2).sum() == pytest.approx(best.fun, rel=1e-4, abs=1e-5)

    def test_leaves_what_is_inside_and_survives_what_is_far_out(self, delta):
        x = torch.full((1, 3), 0.5)
        inside = torch.tensor([[0.2, -0.1, 0.0]])
        torch.testing.assert_close(project_l1_box(inside, 0.3, x), inside, rtol=0, atol=1e-7)
        assert project_l1_box(torch.zeros(1, 3), 0.3, x).abs().max() == 0
        far = project_l1_box(torch.tensor([[1e15, -3e14, 0.0]]), 1e15, x)
        assert far.tolist() == [[0.5, -0.5, 0.0]]
        # each of equals gets the same
        torch.testing.assert_close(project_l1_box(torch.ones(1, 3), 0.3, x), torch.full((1, 3), 0.1))


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_what_is_confined_keeps_to_the_ball_and_the_box(delta, norm):
    x = torch.rand(delta.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    near = confine(x + delta, x, norm, 0.4)
    assert norms(near - x, norm).max() == pytest.approx(0.4)
    assert near.min() >= 0
    assert near.max() <= 1
    assert torch.equal(confine(x, x, norm, 0.4), x)
