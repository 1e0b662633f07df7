from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from hardlight.attacks import FGSM, PGD, Attack, Noise
from hardlight.defenses import AdversarialTraining, LabelSmoothing


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3)).double()


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(1)
    return torch.rand(10, 3, 2, 2, generator=g, dtype=torch.float64), torch.arange(10) % 3


def fgsm_by_hand(net, x, y, eps):
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(net(leaf), y), leaf)
    return (x + eps * gradient.sign()).clamp(0, 1)


@pytest.mark.parametrize("alpha", [0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("smooth", [False, True])
def test_loss_and_weight_gradients_by_hand(alpha, smooth, net, batch):
    x, y = batch
    target = one_hot(y, 3).double()
    target = LabelSmoothing().soften(target) if smooth else target
    x_adv = fgsm_by_hand(net, x, y, 0.1)
    expected = alpha * cross_entropy(net(x), target) + (1 - alpha) * cross_entropy(net(x_adv), target)
    defense = AdversarialTraining(attack=FGSM(eps=0.1), alpha=alpha)
    loss = defense.harden(cross_entropy(net(x), target), net, x, target)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
    weights = tuple(net.parameters())
    for ours, theirs in zip(torch.autograd.grad(loss, weights), torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_images_off_the_box_are_attacked_from_inside_it(net, batch):
    x, y = batch
    target = one_hot(y, 3).double()
    defense = AdversarialTraining(attack=FGSM(eps=0.1), alpha=0)
    loss = defense.harden(torch.tensor(0.0), net, x * 1.5 - 0.2, target)
    x_adv = fgsm_by_hand(net, (x * 1.5 - 0.2).clamp(0, 1), y, 0.1)
    torch.testing.assert_close(loss, cross_entropy(net(x_adv), target), rtol=0, atol=1e-12)


def test_the_batch_statistics_of_the_crafting_are_not_learnt(batch):
    x, y = batch
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 3)).double()
    norm = net[0]
    norm(x)  # statistics to start from
    before = norm.running_mean.clone()
    seen = []
    norm.register_forward_hook(lambda module, args, _: seen.append((module.training, args[0].detach().clone())))
    defense = AdversarialTraining(attack=PGD(eps=0.1, steps=5))
    defense.harden(torch.tensor(0.0), net, x, one_hot(y, 3).double())
    assert norm.training
    assert int(norm.num_batches_tracked) == 2
    (trained,) = [images for training, images in seen if training]
    torch.testing.assert_close(norm.running_mean, 0.9 * before + 0.1 * trained.mean((0, 2, 3)))
    assert len(seen) == 7


def test_early_stop_is_turned_off():
    attack = PGD(eps=0.1, steps=5, early_stop=True, seed=4)
    assert AdversarialTraining(attack=attack).attack == PGD(eps=0.1, steps=5, early_stop=False, seed=4)


def test_every_step_draws_anew_and_the_torch_seed_names_the_draw(net, batch):
    x, y = batch
    target = one_hot(y, 3).double()
    defense = AdversarialTraining(attack=Noise(eps=0.3))
    torch.manual_seed(0)
    first, second = (defense.harden(torch.tensor(0.0), net, x, target) for _ in range(2))
    torch.manual_seed(0)
    assert defense.harden(torch.tensor(0.0), net, x, target) == first
    assert first != second


def test_any_attack_of_the_users_own_will_do(net, batch):
    @dataclass(frozen=True, kw_only=True)
    class Black(Attack):
        def perturb(self, queries, x, goal, index):
            return torch.zeros_like(x)

    x, y = batch
    target = one_hot(y, 3).double()
    loss = AdversarialTraining(attack=Black(), alpha=0).harden(torch.tensor(0.0), net, x, target)
    torch.testing.assert_close(loss, cross_entropy(net(torch.zeros_like(x)), target))
