"""What an attack refuses to be run on, said beforehand."""

from dataclasses import replace

import pytest
import torch
from every_attack import EVERY, name
from small_nets import small_net
from torch import nn

from hardlight.attacks import FGSM, PGD, Noise, WorstOf
from hardlight.attacks.queries import ModelRefused
from hardlight.nets import BoundedReLU

IMAGES = (3, 2, 2)
NET = small_net("mlp", IMAGES, 4)
BOUNDED = nn.Sequential(BoundedReLU(1.0), NET)
X = torch.full((2, *IMAGES), 0.5, dtype=torch.float64)


def decision(x):
    return torch.eye(4, dtype=x.dtype)[NET(x).argmax(1)]


def detached(x):
    return NET(x.detach())


def without_slope_at_gray(x):
    return NET(x) + 0 * (x - 0.5).square().sum((1, 2, 3)).sqrt()[:, None]


@pytest.mark.parametrize("attack", [attack for attack in EVERY if not isinstance(attack, WorstOf)], ids=name)
@pytest.mark.parametrize("model", [decision, detached])
def test_a_net_without_a_gradient(attack, model):
    if attack.gradients:
        with pytest.raises(ModelRefused, match="carry no gradient"):
            attack.check(model, X)
    else:
        attack.check(model, X)
        assert not attack.run(model, X, torch.zeros(2, dtype=torch.int64)).backward_passes.any()


@pytest.mark.parametrize("attack", EVERY, ids=name)
def test_nothing_against_an_ordinary_net(attack):
    NET.train()
    attack.check(NET, X)
    attack.check(without_slope_at_gray, X)  # NaN there, and nowhere else
    assert NET.training


@pytest.mark.parametrize("attack", [FGSM(eps=0.1), Noise(eps=0.1), PGD(eps=0.1, eot=2)], ids=name)
def test_a_backward_that_no_layer_offers(attack):
    replace(attack, backward="leaky").check(BOUNDED, X)
    with pytest.raises(ModelRefused, match="backward must be one that a layer of the model offers, got 'soft'"):
        replace(attack, backward="soft").check(BOUNDED, X)


def test_the_attacks_inside_are_asked():
    inside = {"noise": Noise(eps=1), "pgd": PGD(eps=1, backward="leaky")}
    WorstOf(eps=0.1, attacks=inside).check(BOUNDED, X)
    WorstOf(eps=0.1, attacks={"noise": Noise(eps=1)}).check(decision, X)
    with pytest.raises(ModelRefused, match="got 'leaky'"):
        WorstOf(eps=0.1, attacks=inside).check(NET, X)
    with pytest.raises(ModelRefused, match="got 'soft'"):
        WorstOf(eps=0.1, attacks=inside, backward="soft").check(BOUNDED, X)
    with pytest.raises(ModelRefused, match="carry no gradient"):
        WorstOf(eps=0.1, attacks={"noise": Noise(eps=1), "pgd": PGD(eps=1)}).check(decision, X)
