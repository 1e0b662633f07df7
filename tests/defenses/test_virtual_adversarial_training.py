import pytest
import torch
from torch import nn
from torch.nn.functional import kl_div, log_softmax, one_hot

from hardlight.attacks import Queries
from hardlight.attacks.virtual_direction import divergence, virtual_direction
from hardlight.defenses import VirtualAdversarialTraining

N, PIXELS, CLASSES = 8, 12, 4


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, CLASSES)).double()


@pytest.fixture
def x():
    return torch.rand(N, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_divergence_is_torchs():
    p, q = 5 * torch.randn(2, 30, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = kl_div(log_softmax(q, 1), log_softmax(p, 1), reduction="none", log_target=True).sum(1)
    torch.testing.assert_close(divergence(p, q), expected, rtol=0, atol=1e-12)
    assert divergence(p, p).abs().max() == 0


def test_the_direction_is_the_top_eigenvector_of_the_hessian(net, x):
    """For logits W·x + b the divergence's Hessian at r = 0 is Wᵀ(diag(p) - p·pᵀ)W."""
    start = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    clean = net(x).detach()
    weight = net[1].weight.detach()
    d = virtual_direction(Queries(net, N, x.device), x, clean, start, xi=1e-4, iterations=500).flatten(1)
    torch.testing.assert_close(d.norm(dim=1), torch.ones(N, dtype=torch.float64))
    for logits, found in zip(clean, d, strict=True):
        p = logits.softmax(0)
        values, vectors = torch.linalg.eigh(weight.T @ (p.diag() - p.outer(p)) @ weight)
        assert values[-1] > 1.03 * values[-2]
        assert (found @ vectors[:, -1]).abs() > 1 - 1e-6


def by_hand(net, x, eps, xi, iterations):
    """Power iterations with the gradient in closed form: Wᵀ(q - p)."""
    weight = net[1].weight.detach()
    p = net(x).detach().softmax(1)
    d = torch.randn_like(x).flatten(1)
    d = d / d.norm(dim=1, keepdim=True)
    for _ in range(iterations):
        q = net(x + xi * d.reshape(x.shape)).detach().softmax(1)
        d = (q - p) @ weight
        d = d / d.norm(dim=1, keepdim=True)
    return p, x + eps * d.reshape(x.shape)


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize("weight", [1.0, 0.25, 0])
def test_loss_and_weight_gradients_by_hand(iterations, weight, net, x):
    torch.manual_seed(3)
    p, x_adv = by_hand(net, x, 0.8, 0.1, iterations)
    expected = 2.0 + weight * kl_div(log_softmax(net(x_adv), 1), p, reduction="batchmean")
    torch.manual_seed(3)
    defense = VirtualAdversarialTraining(eps=0.8, xi=0.1, iterations=iterations, weight=weight)
    loss = defense.harden(torch.tensor(2.0, dtype=torch.float64), net, x, one_hot(torch.arange(N) % 4, CLASSES))
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
    assert weight == 0 or loss > 2
    ours, theirs = (torch.autograd.grad(value, tuple(net.parameters())) for value in (loss, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_labels_are_not_used(net, x):
    losses = []
    for y in (torch.zeros(N, dtype=torch.int64), torch.arange(N) % CLASSES):
        torch.manual_seed(0)
        losses.append(VirtualAdversarialTraining().harden(torch.tensor(0.0), net, x, one_hot(y, CLASSES)))
    assert losses[0] == losses[1] > 0


def test_changes_the_prediction_more_than_a_random_step_of_its_length(x):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 32), nn.ReLU(), nn.Linear(32, CLASSES)).float()
    x = x.float()
    clean = net(x).detach()
    r = virtual_direction(Queries(net, N, x.device), x, clean, torch.randn_like(x), xi=0.1, iterations=1)
    random = torch.randn_like(x)
    random = random / random.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    assert divergence(clean, net(x + r)).mean() > 3 * divergence(clean, net(x + random)).mean()


def test_the_batch_statistics_of_the_crafting_are_not_learnt(x):
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Dropout(0.1), nn.Linear(PIXELS, CLASSES)).double()
    norm = net[0]
    norm(x)
    before = norm.running_mean.clone()
    seen = []
    norm.register_forward_hook(lambda module, args, _: seen.append((module.training, args[0].detach().clone())))
    VirtualAdversarialTraining(iterations=2).harden(torch.tensor(0.0), net, x, one_hot(torch.arange(N) % 4, CLASSES))
    assert [module.training for module in net.modules()] == [True] * 5
    assert int(norm.num_batches_tracked) == 2
    assert [training for training, _ in seen] == [False, False, False, True]
    torch.testing.assert_close(norm.running_mean, 0.9 * before + 0.1 * seen[-1][1].mean((0, 2, 3)))
