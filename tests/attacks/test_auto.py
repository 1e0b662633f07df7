"""AutoAttack: which attacks, in which order, on which samples."""

import pytest
import torch
from torch import nn

from hardlight.attacks import APGD, FAB, AutoAttack, Square
from hardlight.attacks.goal import margin
from hardlight.tensors import norms

SETTINGS = {  # of the standard version, as its authors' code sets them
    "linf": {"apgd_ce": (1, None), "apgd_t": (1, 9), "fab_t": (1, 9), "square": (1, None)},
    "l2": {"apgd_ce": (1, None), "apgd_t": (1, 9), "fab_t": (1, 9), "square": (1, None)},
    "l1": {"apgd_ce": (5, None), "apgd_t": (1, 5), "fab_t": (1, 9), "square": (1, None)},
}


@pytest.mark.parametrize("norm", SETTINGS)
def test_the_standard_attacks_in_the_standard_order(norm):
    attacks = AutoAttack(eps=0.1, norm=norm, seed=3).in_turn.attacks
    assert list(attacks) == list(SETTINGS[norm])
    assert [type(attack) for attack in attacks.values()] == [APGD, APGD, FAB, Square]
    for name, (restarts, classes) in SETTINGS[norm].items():
        attack = attacks[name]
        assert (attack.norm, attack.seed, attack.restarts) == (norm, 3, restarts)
        assert classes is None or attack.target_classes == classes
    assert (attacks["apgd_ce"].steps, attacks["apgd_t"].steps, attacks["fab_t"].steps) == (100, 100, 100)
    assert (attacks["apgd_ce"].loss, attacks["apgd_t"].loss) == ("cross_entropy", "targeted_dlr")
    assert (attacks["square"].queries, attacks["square"].p_init) == (5000, 0.8)


def moat(x):
    """Two classes by the first pixel: right of 1/2, but for a strip that no gradient leads to."""
    first = x.flatten(1)[:, 0]
    wrong = 0.2 - 4 * (first - 0.45).clamp_min(0) + 2 * torch.where(first < 0.42, 1.0, 0.0)
    return torch.stack([torch.zeros_like(wrong), wrong - 0.4], 1)


def test_what_gradients_cannot_find_is_left_to_square():
    x = torch.full((6, 1, 1, 2), 0.46)
    x[:3, :, :, 0] = 0.6  # out of reach
    y = torch.zeros(6, dtype=torch.int64)
    attack = AutoAttack(eps=0.1, early_stop=True)
    found = attack.in_turn.attacks
    outcome = attack.run(moat, x, y)
    fooled = moat(outcome.x_adv).argmax(1) == 1
    assert fooled.tolist() == [False] * 3 + [True] * 3
    assert norms(outcome.x_adv - x, "linf").max() <= 0.1 + 1e-6
    assert (outcome.forward_passes[:3] > found["square"].queries).all()  # all four were tried
    assert (outcome.forward_passes[3:] < found["square"].queries).all()


def test_neither_apgd_alone_does_better(mlp, batch):
    x, y = batch[0][:24], batch[1][:24]
    attack = AutoAttack(eps=0.1, early_stop=True)
    broken = mlp(attack(mlp, x, y)).argmax(1) != y
    for name in ("apgd_ce", "apgd_t"):
        alone = mlp(attack.in_turn.attacks[name](mlp, x, y)).argmax(1) != y
        assert not (alone & ~broken).any()
    assert 0 < broken.sum() < 24


def test_exhaustive_no_sample_is_left_at_less_than_the_worst(mlp, batch):
    x, y = batch[0][:4], batch[1][:4]
    early = AutoAttack(eps=0.1, early_stop=True)
    apgd = early.in_turn.attacks["apgd_t"].exhaustive()
    worst = margin(mlp(early.exhaustive()(mlp, x, y)), y)
    assert (worst >= margin(mlp(apgd(mlp, x, y)), y) - 1e-6).all()


def test_a_randomised_net_is_averaged():
    class Noisy(nn.Module):
        def forward(self, x):
            z = 2 * (x.flatten(1).mean(1) - 0.5) + 0.05 * torch.randn(len(x))
            return torch.stack([z, -z], 1)

    x, y = torch.full((4, 1, 2, 2), 0.55), torch.zeros(4, dtype=torch.int64)
    attack = AutoAttack(eps=0.2, early_stop=True, eot=8)
    first = attack(Noisy(), x, y)
    assert torch.equal(first, attack(Noisy(), x, y))
    assert (first.flatten(1).mean(1) < 0.5).all()
