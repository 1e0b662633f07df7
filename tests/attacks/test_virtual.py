"""The virtual adversarial direction, against the exact Hessian of the divergence."""

import pytest
import torch
from torch import nn

from hardlight.attacks import Queries, VirtualAdversarial
from hardlight.attacks.virtual_direction import divergence, virtual_direction
from hardlight.tensors import norms


@pytest.fixture
def net():
    """Smooth, curved, in float64."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 4)).double()


@pytest.fixture
def x():
    return 0.3 + 0.4 * torch.rand(6, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def hessian_at(net, image):
    """Of KL(p(image) ‖ p(image + r)) by r, at r = 0."""
    clean = net(image[None]).detach()
    return torch.autograd.functional.hessian(
        lambda r: divergence(clean, net((image.flatten() + r).reshape(1, *image.shape))).sum(),
        torch.zeros(image.numel(), dtype=image.dtype),
    )


def test_the_direction_is_the_top_eigenvector_of_the_exact_hessian(net, x):
    start = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    d = virtual_direction(Queries(net, 6, x.device), x, net(x).detach(), start, xi=1e-5, iterations=200).flatten(1)
    for image, found in zip(x, d, strict=True):
        values, vectors = torch.linalg.eigh(hessian_at(net, image))
        assert values[-1] > 1.1 * values[-2]
        assert (found @ vectors[:, -1]).abs() > 1 - 1e-6


@pytest.mark.parametrize("iterations", [1, 4])
def test_the_step_is_that_many_products_with_the_hessian(iterations, net, x):
    """From the start that the first iterations=1 result determines: H·d, scaled, each time."""
    one, many = (VirtualAdversarial(eps=1e-3, xi=1e-5, iterations=k)(net, x, labels()) for k in (1, 1 + iterations))
    for image, first, last in zip(x, one, many, strict=True):
        hessian, d = hessian_at(net, image), (first - image).flatten()
        for _ in range(iterations):
            d = hessian @ d
        torch.testing.assert_close((last - image).flatten(), 1e-3 * d / d.norm(), rtol=0, atol=1e-6)


def labels():
    return torch.zeros(6, dtype=torch.int64)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_it_is_a_step_of_norm_eps_that_no_label_enters(norm, net, x):
    attack = VirtualAdversarial(eps=0.1, norm=norm)
    outcome = attack.run(net, x, labels())
    torch.testing.assert_close(norms(outcome.x_adv - x, norm), torch.full((6,), 0.1, dtype=torch.float64))
    assert torch.equal(outcome.x_adv, attack(net, x, labels() + 1))
    assert torch.equal(outcome.x_adv, attack(net, x, labels(), y_target=labels() + 2))
    assert (outcome.forward_passes == 6).all()
    assert (outcome.backward_passes == 5).all()


def test_it_changes_the_prediction_more_than_any_of_many_random_steps(net, x):
    clean = net(x).detach()
    changed = divergence(clean, net(VirtualAdversarial(eps=0.2)(net, x, labels())))
    g = torch.Generator().manual_seed(3)
    for _ in range(50):
        step = torch.randn(x.shape, generator=g, dtype=torch.float64)
        step = 0.2 * step / step.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
        assert (changed > divergence(clean, net(x + step))).all()


def test_the_start_belongs_to_the_sample_and_the_seed(net, x):
    attack = VirtualAdversarial(eps=0.1, iterations=1)
    whole = attack(net, x, labels())
    part = attack(net, x[2:4], labels()[2:4], index=torch.tensor([2, 3]))
    torch.testing.assert_close(part, whole[2:4], rtol=0, atol=1e-9)
    other = VirtualAdversarial(eps=0.1, iterations=1, seed=1)(net, x, labels())
    assert (other - whole).abs().flatten(1).amax(1).min() > 1e-3


@pytest.mark.parametrize(
    ("field", "value"), [("iterations", 0), ("iterations", 1.5), ("xi", 0), ("eps", 0), ("norm", "l1")]
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*, got"):
        VirtualAdversarial(**{"eps": 0.1, field: value})
