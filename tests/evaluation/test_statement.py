import math
from dataclasses import dataclass

import pandas as pd
import pytest
import torch
from sample_rows import attacked, clean_rows, summed
from torch import nn

from hardlight.defenses import DefendedNet, Defense, DefenseStack, FeatureSqueezing, GaussianAugmentation
from hardlight.evaluation.statement import attack_facts, limits, net_facts, threat_facts
from hardlight.nets import BoundedReLU

CLEAN = [1, 1, 0]


def row(attack, eps=0.1, passes=(1, 1), **where):
    """Rows of one attack whose images took (forward, backward) passes at most."""
    rows = attacked(attack, eps, CLEAN, CLEAN, **where)
    rows["forward_passes"], rows["backward_passes"] = [0, passes[0], 0], [0, passes[1], 0]
    return rows


def test_what_the_rows_tell_of_attacks_and_threat():
    rows = (row("fgsm", 0.2), row("fgsm", 0.1), row("ddn", math.inf, (7, 6), norm="l2"), row("ddn", 2.0, norm="l2"))
    samples, records = summed(clean_rows(CLEAN), *rows)
    assert threat_facts(records) == {
        "eps": {"linf": [0.1, 0.2], "l2": [2.0, math.inf]},
        "pixels": [0, 1],
        "targeted": False,
        "label": ["true"],
        "source": ["self"],
        "attacked": ["a"],
    }
    fgsm, ddn = attack_facts(records, samples, {"fgsm": "package.FGSM", "ddn": "package.DDN"})
    assert ddn == {
        "attack": "ddn",
        "class": "package.DDN",
        "norm": "l2",
        "eps": [2.0, math.inf],
        "label": "true",
        "source": ["self"],
        "n": 3,
        "forward_passes": 7,
        "backward_passes": 6,
        "settings": {"steps": 7},
    }
    assert (fgsm["attack"], fgsm["eps"], fgsm["backward_passes"]) == ("fgsm", [0.1, 0.2], 1)


KINDS = {
    "iterative": row("pgd", passes=(5, 4)),
    "outputs alone": row("square", passes=(9, 0)),
    "white-box": row("fgsm"),
    "transferred": row("fgsm", source="other.ckpt"),
    "smallest perturbation": row("ddn", math.inf),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kinds_that_did_not_run_are_named_and_no_others(kind):
    transferred = kind == "transferred"

    def missing(*rows):
        samples, records = summed(clean_rows(CLEAN), *rows)
        return [sentence for sentence in limits(records, samples) if kind in sentence]

    source = "self" if transferred else "other.ckpt"
    without = [row("noise", passes=(0, 0), source=source), row("single", passes=(1, 1), source=source)]
    assert len(missing(*without)) == 1
    assert not missing(*without, KINDS[kind])


def test_norms_and_random_nets_are_named():
    samples, records = summed(clean_rows(CLEAN), row("fgsm"), row("fgsm_l2", norm="l2"))
    (norms,) = [sentence for sentence in limits(records, samples) if "larger eps" in sentence]
    assert [norm in norms for norm in ("linf", "l2", "l1", "l0")] == [False, False, True, True]
    more = set(limits(records, samples, randomised=True)) - set(limits(records, samples))
    assert [sentence.startswith("The net is randomised") for sentence in more] == [True]


@dataclass(frozen=True)
class Dimming(Defense):
    scale: float = 0.5

    def squeeze(self, x):
        return x * self.scale


@dataclass(frozen=True)
class Softened(Dimming):
    backward: str = "soft"


def wearing(*defenses, layers=()):
    return DefendedNet(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), *layers), DefenseStack(defenses))


X = torch.linspace(0, 1, 8).reshape(2, 1, 2, 2)


def test_how_each_defense_and_layer_is_differentiated():
    defenses = (
        FeatureSqueezing(bits=2),
        FeatureSqueezing(bits=3, backward="exact"),
        GaussianAugmentation(sigma=0.1),
        Dimming(),
        Softened(),
    )
    net = wearing(*defenses, layers=(BoundedReLU(2.0), nn.ReLU(), BoundedReLU(2.0)))
    facts = net_facts(net, X)
    straight, exact, augmentation, dimming, softened = facts["defenses"].values()
    assert "bits=2" in next(iter(facts["defenses"]))
    assert straight.startswith("straight-through")
    assert "zero" in exact
    assert augmentation is None
    assert (dimming, softened) == ("exact", "soft")
    assert facts["layers"] == {"2 × BoundedReLU(t=2.0)": "exact, zero outside [0, 2]"}
    # What is said holds: the exact gradient of squeezing is zero, the straight-through one is not.
    for defense, moves in (FeatureSqueezing(bits=3), True), (FeatureSqueezing(bits=3, backward="exact"), False):
        x = X.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(wearing(defense)(x).logsumexp(1).sum(), x)
        assert bool(gradient.any()) == moves


class Noisy(nn.Module):
    def forward(self, x):
        return x + 1e-3 * torch.randn_like(x)


def test_randomness_is_seen_where_an_attack_meets_it():
    net = wearing(layers=[nn.Dropout(0.5)]).train()
    assert not net_facts(net, X)["randomised"]  # dropout is off under attack
    assert all(module.training for module in net.modules())
    assert net_facts(wearing(layers=[Noisy()]), X)["randomised"]


def test_facts_of_a_net_without_weights():
    net = DefendedNet(nn.Flatten(), DefenseStack())
    assert net_facts(net, X)["layers"] == {}
    assert pd.notna(net_facts(net, X)["sha256"])
