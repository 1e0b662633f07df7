"""Against a linear model, where the softmax's gradient and the boundaries are known in closed form."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from hardlight.metrics import Attacked, LossSensitivity, loss_sensitivity, margin_distance
from hardlight.nets import CNN


def linear(scale=1.0, d=12, k=4):
    net = nn.Sequential(nn.Flatten(), nn.Linear(d, k))
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        net[1].weight.copy_(scale * torch.randn(k, d, generator=g))
        net[1].bias.copy_(scale * torch.randn(k, generator=g))
    return net


@pytest.fixture
def x():
    return torch.rand(50, 3, 2, 2, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def y():
    return torch.randint(0, 4, (50,), generator=torch.Generator().manual_seed(2))


def closed_form(net, x, y):
    """‖Wᵀ(softmax(z) − onehot)‖ and (z_y − z_m)/‖w_y − w_m‖, in NumPy's float64."""
    w, b = (each.detach().double().numpy() for each in (net[1].weight, net[1].bias))
    z = x.flatten(1).double().numpy() @ w.T + b
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(z))
    steepness = np.linalg.norm((p - np.eye(4)[y.numpy()]) @ w, axis=1)
    others = z.copy()
    others[rows, y.numpy()] = -np.inf
    m = others.argmax(1)
    distance = (z[rows, y.numpy()] - z[rows, m]) / np.linalg.norm(w[y.numpy()] - w[m], axis=1)
    return steepness, distance


def test_linear_softmax(x, y):
    net = linear()
    steepness, distance = closed_form(net, x, y)
    assert loss_sensitivity(net, x, y).numpy() == pytest.approx(steepness, rel=1e-5)
    assert margin_distance(net, x, y).numpy() == pytest.approx(distance, rel=1e-4, abs=1e-6)
    assert (distance < 0).any()
    assert (distance > 0).any()


def test_the_distance_is_where_the_boundary_is(x, y):
    """Moved that far against the gradient of the margin, a linear model's two highest logits are equal."""
    net = linear().double()
    x = x.double().requires_grad_()
    z = net(x)
    other = z.scatter(1, y[:, None], -torch.inf).argmax(1)
    rows = torch.arange(len(x))
    (gradient,) = torch.autograd.grad((z[rows, y] - z[rows, other]).sum(), x)
    unit = gradient / gradient.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    moved = net(x - margin_distance(net, x.detach(), y).reshape(-1, 1, 1, 1) * unit)
    assert (moved[rows, y] - moved[rows, other]).abs().max() < 1e-9


def test_scaling_the_logits_moves_no_boundary(x, y):
    once, ten_times = linear(), linear(10.0)
    torch.testing.assert_close(margin_distance(ten_times, x, y), margin_distance(once, x, y), rtol=1e-4, atol=1e-6)
    steepness, _ = closed_form(ten_times, x, y)
    assert loss_sensitivity(ten_times, x, y).numpy() == pytest.approx(steepness, rel=1e-4)
    assert loss_sensitivity(ten_times, x, y).mean() > 9 * loss_sensitivity(once, x, y).mean()


def test_it_does_not_vanish_where_softmax_is_1(x):
    """In float32 the probability of the label is 1 here, so that the cross-entropy and its gradient are 0."""
    net = linear(30.0)
    y = net(x).argmax(1)
    sure = net(x).softmax(1).amax(1) == 1
    assert sure.sum() > 10
    w, b = (each.detach().double().numpy() for each in (net[1].weight, net[1].bias))
    z = x.flatten(1).double().numpy() @ w.T + b
    p = np.exp(z - z.max(1, keepdims=True))
    np.put_along_axis(p, y.numpy()[:, None], 0, axis=1)
    np.put_along_axis(p, y.numpy()[:, None], -p.sum(1, keepdims=True), axis=1)  # p − 1, which float64 rounds away too
    ratio = loss_sensitivity(net, x, y).numpy() / np.linalg.norm(p @ w, axis=1)
    assert ratio[sure.numpy()] == pytest.approx(1, rel=1e-3)  # exp of logits in the hundreds


def test_a_batch_is_its_images_one_by_one_in_eval_mode():
    net = nn.Sequential(CNN((1, 28, 28), 10), nn.BatchNorm1d(10), nn.Dropout(0.5)).train()
    x = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    y = torch.arange(6)
    mean = net[1].running_mean.clone()
    for measure in (loss_sensitivity, margin_distance):
        whole = measure(net, x, y)
        single = torch.cat([measure(net, x[i : i + 1], y[i : i + 1]) for i in range(6)])
        torch.testing.assert_close(whole, single, rtol=1e-4, atol=0)
    assert net.training
    assert torch.equal(net[1].running_mean, mean)
    assert all(each.grad is None for each in net.parameters())


def test_as_finite_differences_have_it():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 36, 10)).double()
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.tensor([3, 7, 0, 0, 9])

    def loss(at):
        with torch.no_grad():
            return nn.functional.cross_entropy(net(at), y, reduction="none")

    steps = 1e-6 * torch.eye(64, dtype=torch.float64).reshape(64, 1, 8, 8)
    slopes = torch.stack([(loss(x + step) - loss(x - step)) / 2e-6 for step in steps])
    torch.testing.assert_close(loss_sensitivity(net, x, y), slopes.norm(dim=0), rtol=1e-6, atol=0)


def test_a_model_without_any_slope(y):
    def flat(x):
        return 0 * x.flatten(1)[:, :4] + torch.tensor([1.0, 2.0, 2.0, 0.0])

    x, y = torch.rand(3, 1, 2, 2), torch.tensor([1, 0, 3])
    assert loss_sensitivity(flat, x, y).tolist() == [0, 0, 0]
    assert margin_distance(flat, x, y).tolist() == [0, -math.inf, -math.inf]


def test_a_model_cut_off_from_its_pixels_is_no_robust_one(x, y):
    with pytest.raises(ValueError, match="carry no gradient"):
        loss_sensitivity(lambda x: linear()(x.detach()).detach(), x, y)


def test_the_metric(x, y):
    net = linear()
    batch = Attacked(
        model=net,
        x=x,
        y=y,
        index=torch.arange(50),
        logits=net(x).detach(),
        x_adv=1 - x,
        logits_adv=net(1 - x).detach(),
        attack="fgsm",
    )
    steepness, distance = closed_form(net, x, y)
    metric = LossSensitivity()
    found = metric.summary(metric.per_sample(batch.clean()))
    assert found["loss_sensitivity"].value == pytest.approx(steepness.mean(), rel=1e-5)
    assert found["margin_distance"].value == pytest.approx(np.median(distance), rel=1e-5)
    half = 1.96 * steepness.std(ddof=1) / math.sqrt(50)
    low, high = found["loss_sensitivity"][2:]
    assert (low, high) == pytest.approx((steepness.mean() - half, steepness.mean() + half), abs=0.25 * half)
    metric.update(batch)
    assert float(metric.compute()["loss_sensitivity[none]"]) == found["loss_sensitivity"].value
