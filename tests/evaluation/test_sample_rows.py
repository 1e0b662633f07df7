"""What a minimal-norm attack found, as it counts at each eps; what the threat model refuses."""

import math
from dataclasses import dataclass

import pytest
import torch

from hardlight.attacks import FGSM, Attack, MinimalFGSM
from hardlight.evaluation.columns import ANY
from hardlight.evaluation.planned import Planned
from hardlight.evaluation.sample_rows import at_each_eps, sample_rows, verify
from hardlight.evaluation.threat import ThreatError
from hardlight.metrics import Attacked


def found(*distances):
    """One image for each distance, moved that far in its first pixel; it is class 1 from a distance of 0.2 on."""
    x = torch.full((len(distances), 1, 1, 2), 0.25)
    x_adv = x.clone()
    x_adv[:, 0, 0, 0] += torch.tensor(distances)
    turned = torch.tensor(distances) >= 0.2
    logits = torch.tensor([[3.0, 1.0]]).repeat(len(x), 1)
    logits_adv = torch.where(turned[:, None], torch.tensor([[1.0, 1.5]]), logits)
    y = torch.zeros(len(x), dtype=torch.int64)
    return Attacked(
        model=lambda x: x, x=x, y=y, index=torch.arange(len(x)), logits=logits, x_adv=x_adv, logits_adv=logits_adv
    )


def test_a_minimal_norm_attack_is_judged_at_every_eps():
    planned = Planned.of(MinimalFGSM(), eps=[0.2, 0.5])
    assert planned.eps == (0.2, 0.5, ANY)
    rows = {eps: sample_rows(seen, {}) for eps, seen in at_each_eps(planned, found(0.0, 0.2, 0.5, 0.75))}
    assert list(rows) == [0.2, 0.5, ANY]
    assert rows[0.2]["adversarial_prediction"].tolist() == [0, 1, 0, 0]
    assert rows[0.5]["adversarial_prediction"].tolist() == [0, 1, 1, 0]
    assert rows[ANY]["adversarial_prediction"].tolist() == [0, 1, 1, 1]
    # What lies farther than eps is the clean image there: no distance, and the clean image's margin.
    assert rows[0.2]["linf"].tolist() == pytest.approx([0, 0.2, 0, 0])
    assert rows[0.2]["margin"].tolist() == [2.0, -0.5, 2.0, 2.0]
    assert rows[ANY]["l2"].tolist() == pytest.approx([0, 0.2, 0.5, 0.75])
    assert rows[ANY]["l0"].tolist() == [0, 1, 1, 1]


def test_a_fixed_budget_is_judged_at_its_own_eps_alone():
    planned = Planned.of(FGSM(eps=0.3))
    batch = found(0.1, 0.3)
    assert [(eps, seen is batch) for eps, seen in at_each_eps(planned, batch)] == [(0.3, True)]


def test_every_attack_is_verified():
    batch = found(0.3)
    verify(Planned.of(FGSM(eps=0.3)), batch.x, batch.x_adv)
    with pytest.raises(ThreatError, match="more than eps"):
        verify(Planned.of(FGSM(eps=0.2)), batch.x, batch.x_adv)
    verify(Planned.of(MinimalFGSM()), batch.x, batch.x_adv)
    with pytest.raises(ThreatError, match="outside"):
        verify(Planned.of(MinimalFGSM()), batch.x, batch.x_adv + 1)
    with pytest.raises(ThreatError, match="NaN"):
        verify(Planned.of(MinimalFGSM()), batch.x, batch.x_adv * math.nan)


@pytest.mark.parametrize("eps", [0, -1, math.nan, math.inf, "a"])
def test_a_reported_eps_is_a_positive_number(eps):
    with pytest.raises(ValueError, match="eps must be a number"):
        Planned.of(MinimalFGSM(), eps=[0.1, eps])


def test_an_attack_is_of_one_of_the_two_kinds():
    @dataclass(frozen=True, kw_only=True)
    class Neither(Attack):
        def perturb(self, queries, x, goal, index):
            return x

    with pytest.raises(ValueError, match="must be a FixedBudget or a MinimalNorm, got Neither"):
        Planned.of(Neither())
