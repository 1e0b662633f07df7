"""The worst of several attacks, against running each of them alone."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hardlight.attacks import BIM, FGSM, PGD, MinimalFGSM, Noise, WorstOf
from hardlight.attacks.goal import margin
from hardlight.tensors import norms

EPS = 0.08
MEMBERS = {"noise": Noise(eps=1.0), "fgsm": FGSM(eps=0.2), "bim": BIM(eps=0.1, steps=4)}


def alone(mlp, x: Tensor, y: Tensor) -> list[Tensor]:
    return [attack(mlp, x, y) for attack in (Noise(eps=EPS), FGSM(eps=EPS), BIM(eps=EPS, steps=4))]


def test_each_sample_is_the_worst_that_any_found_at_the_eps_of_the_whole(mlp, batch):
    x, y = batch
    found = alone(mlp, x, y)
    rank = torch.stack([margin(mlp(each), y) + 1e3 * (mlp(each).argmax(1) != y) for each in found])
    best = rank.argmax(0)
    assert best.unique().numel() > 1
    x_adv = WorstOf(eps=EPS, attacks=MEMBERS)(mlp, x, y)
    assert torch.equal(x_adv, torch.stack(found)[best, torch.arange(64)])


def test_stopping_early_breaks_the_same_samples_and_shows_the_next_attack_only_those_that_stand(mlp, batch):
    x, y = batch
    broken = torch.stack([mlp(each).argmax(1) != y for each in alone(mlp, x, y)])
    outcome = WorstOf(eps=EPS, attacks=MEMBERS, early_stop=True).run(mlp, x, y)
    assert torch.equal(mlp(outcome.x_adv).argmax(1) != y, broken.any(0))
    assert 0 < broken.any(0).sum() < 64
    noise, fgsm, bim = 1, 2, 6  # passes, with the look at what each found
    first = torch.where(broken[0], noise, torch.where(broken[1], noise + fgsm, noise + fgsm + bim))
    assert torch.equal(outcome.forward_passes, first)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_minimal_norm_attack_counts_within_eps(mlp, batch, norm):
    x, y = batch
    eps = {"linf": 0.05, "l2": 0.15}[norm]
    smallest = MinimalFGSM(norm=norm)(mlp, x, y)
    distance = norms(smallest - x, norm)
    near = (distance > 0) & (distance <= eps)
    assert near.any()
    assert (distance > eps).any()
    weak = Noise(eps=eps, norm=norm)
    x_adv = WorstOf(eps=eps, norm=norm, attacks={"noise": weak, "nearest": MinimalFGSM()})(mlp, x, y)
    fooled = (mlp(x_adv).argmax(1) != y, mlp(weak(mlp, x, y)).argmax(1) != y)
    assert torch.equal(fooled[0], fooled[1] | near)
    assert norms(x_adv - x, norm).max() <= eps + 1e-5
    assert (x_adv != x).flatten(1).any(1).all()  # what only the minimal attack left alone is the other's


def test_label_budget_target_and_restarts_reach_its_attacks(mlp, batch):
    x, y = batch
    attack = WorstOf(eps=EPS, attacks={"pgd": PGD(eps=1, steps=3, early_stop=True)}, early_stop=True, label="predicted")
    assert attack.attacks["pgd"].label == "predicted"
    assert attack.exhaustive().attacks["pgd"].early_stop is False
    assert attack.work == attack.attacks["pgd"].work == 4
    again = PGD(eps=EPS, steps=3, restarts=3)
    assert torch.equal(WorstOf(eps=EPS, attacks={"pgd": replace(again, eps=1)})(mlp, x, y), again(mlp, x, y))
    shifted = torch.arange(64) + 9
    assert not torch.equal(attack(mlp, x, y, index=shifted), attack(mlp, x, y))
    y_target = (y + 1) % 4
    x_adv = WorstOf(eps=0.5, attacks=MEMBERS)(mlp, x, y, y_target=y_target)
    assert (mlp(x_adv).argmax(1) == y_target).double().mean() > (mlp(x).argmax(1) == y_target).double().mean()


@pytest.mark.parametrize(
    ("attacks", "words"),
    [
        ({}, "attacks must hold one that has a budget, got none"),
        ({"near": MinimalFGSM()}, "attacks must hold one that has a budget, got near"),
        ([FGSM(eps=0.1)], "attacks must be a mapping"),
        ({"fgsm": "fgsm"}, "attacks.fgsm must be an attack, got 'fgsm'"),
        ({"pgd": PGD(eps=0.1)}, "attacks.pgd: norm must be one of linf, l2, got 'l1'"),
    ],
)
def test_what_cannot_be_is_refused(attacks, words):
    with pytest.raises(ValueError, match=words):
        WorstOf(eps=0.1, norm="l1", attacks=attacks)
