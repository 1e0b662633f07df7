"""Masked gradients: nets that look robust under one exact gradient step, and what AutoAttack and HopSkipJump say."""

from itertools import product

import pytest
import torch
from small_nets import small_net
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hardlight.attacks import FGSM, AutoAttack, HopSkipJump, Square
from hardlight.backward import in_use
from hardlight.defenses import DefendedNet, DefenseStack, FeatureSqueezing
from hardlight.evaluation.threat import Threat
from hardlight.nets import BoundedReLU
from hardlight.tensors import norms, surrogate

IMAGES = (3, 2, 2)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return small_net("mlp", IMAGES, 4, torch.float32)


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.rand(30, *IMAGES, generator=torch.Generator().manual_seed(0))


def standing(model, attack, x):
    """The share of images that keep the model's own prediction."""
    y = model(x).argmax(1)
    x_adv = attack(model, x, y)
    Threat(attack.norm, attack.eps).verify(x, x_adv)
    return (model(x_adv).argmax(1) == y).double().mean().item()


@pytest.mark.parametrize("scale", [1e4, 1e6])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.3), ("l2", 1.0)])
def test_huge_logits_hide_nothing(net, x, norm, eps, scale):
    """A float32 softmax of them is one-hot, and the textbook cross-entropy has no gradient left."""

    def huge(x):
        return scale * net(x)

    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(huge(leaf), net(x).argmax(1), reduction="sum"), leaf)
    assert (gradient.flatten(1) == 0).all(1).double().mean() > 0.9
    assert standing(huge, FGSM(eps=eps, norm=norm), x) < 0.5
    assert standing(huge, AutoAttack(eps=eps, norm=norm, early_stop=True), x) == 0


def squeezed(net, backward="exact"):
    return DefendedNet(net, DefenseStack((FeatureSqueezing(bits=1, backward=backward),)))


def breakable_at_one_bit(net, x, eps):
    """Whether some set of pixels that ``eps`` can flip changes the prediction, by trying all: bool (N,)."""
    found = []
    for image, label in zip(x.flatten(1), squeezed(net)(x).argmax(1), strict=True):
        low, high = ((image + move).clamp(0, 1).round() for move in (-eps, eps))
        free = low != high
        flips = low.repeat(2 ** int(free.sum()), 1)
        flips[:, free] = torch.tensor(list(product([0.0, 1.0], repeat=int(free.sum()))))
        found.append((net(flips.reshape(-1, *IMAGES)).argmax(1) != label).any())
    return torch.stack(found)


@pytest.mark.parametrize("eps", [0.1, 0.3])
def test_one_bit_is_broken_wherever_any_flip_breaks_it(net, x, eps):
    model, breakable = squeezed(net), breakable_at_one_bit(net, x, eps)
    assert breakable.double().mean() > 0.4
    x = x[breakable]
    assert standing(model, FGSM(eps=eps), x) == 1
    assert standing(model, AutoAttack(eps=eps, backward="adaptive", early_stop=True), x) == 0


def test_one_bit_of_black_and_white_images_cannot_be_broken_below_half(net, x):
    """No pixel flips: rounding is monotone, so what the two ends of the budget round to, all between them do."""
    x, eps = x.round(), 0.499
    for end in (x - eps, x + eps):
        assert torch.equal(end.clamp(0, 1).round(), x)
    assert not breakable_at_one_bit(net, x, eps).any()
    model = squeezed(net)
    assert standing(model, FGSM(eps=eps, backward="adaptive"), x) == 1
    assert standing(model, FGSM(eps=0.501, backward="adaptive"), x) < 0.5


def test_saturated_units(x):
    net = small_net("mlp", IMAGES, 4, torch.float32)
    with torch.no_grad():
        net[1].weight *= 8
    net[2] = BoundedReLU(0.1)
    before = net[1](x.flatten(1))
    assert ((before < 0) | (before > 0.1)).double().mean() > 0.95
    assert standing(net, FGSM(eps=0.3), x) > 0.8
    assert standing(net, AutoAttack(eps=0.3, backward="adaptive", early_stop=True), x) == 0


class Decision(nn.Module):
    """1 for the class of the largest logit and 0 for the others."""

    OFFERED = ("straight_through", "exact")

    def forward(self, z):
        hot = torch.eye(z.shape[1])[z.argmax(1)]
        return hot + 0 * z if in_use("exact", self.OFFERED) == "exact" else surrogate(hot, z)


class TestDecisionsAlone:
    @pytest.fixture
    def model(self, net):
        return nn.Sequential(net, Decision())

    def test_a_layer_that_offers_a_way_through(self, model, net, x):
        assert standing(model, FGSM(eps=0.3), x) == 1
        left = standing(model, AutoAttack(eps=0.3, backward="adaptive", early_stop=True), x)
        assert left == standing(net, AutoAttack(eps=0.3, early_stop=True), x) == 0

    def test_without_one_the_attacks_by_gradient_refuse(self, net, x):
        def decide(x):
            return torch.eye(4)[net(x).argmax(1)]

        with pytest.raises(ValueError, match="carry no gradient"):
            AutoAttack(eps=0.3)(decide, x, net(x).argmax(1))

    def test_without_one_those_that_need_none_break_it(self, net, x):
        def decide(x):
            return torch.eye(4)[net(x).argmax(1)]

        assert standing(decide, Square(eps=0.3, queries=1000, early_stop=True), x) < 0.4  # it gropes on flat ground
        y = net(x).argmax(1)
        x_adv = HopSkipJump(norm="linf", steps=8)(decide, x, y)
        assert (net(x_adv).argmax(1) != y).all()
        assert (norms(x_adv - x, "linf") < 0.3).double().mean() > 0.9
