"""What a node with attacks inside becomes."""

import pytest

from hardlight.attacks import PGD, MinimalFGSM, WorstOf
from hardlight.build.nodes import made
from hardlight.defenses import AdversarialTraining
from hardlight.errors import UserError

GRID = [0.1, 0.2]
INSIDE = {
    "pgd": {"_target_": "hardlight.attacks.PGD", "eps": GRID, "steps": 3},
    "near": {"_target_": "hardlight.attacks.MinimalFGSM", "eps": GRID},
}
NODE = {"_target_": "hardlight.attacks.WorstOf", "eps": 0.3, "attacks": INSIDE}


def test_the_attacks_inside_an_attack_have_its_eps() -> None:
    expected = WorstOf(eps=0.3, attacks={"pgd": PGD(eps=0.3, steps=3), "near": MinimalFGSM(norm="linf")})
    assert made(NODE, "attack.worst_of") == expected
    deeper = {**NODE, "attacks": {"inner": {**NODE, "eps": GRID}}}
    assert made(deeper, "attack.worst_of").attacks["inner"] == expected
    assert INSIDE["pgd"]["eps"] == GRID  # the caller's own is untouched


def test_also_inside_a_defense() -> None:
    node = {"_target_": "hardlight.defenses.AdversarialTraining", "attack": NODE, "alpha": 0.5}
    defense = made(node, "defense.at")
    assert isinstance(defense, AdversarialTraining)
    assert defense.attack.attacks["pgd"].eps == 0.3


def test_what_an_attack_inside_refuses_is_told_with_its_name() -> None:
    inside = {"pgd": {**INSIDE["pgd"], "norm": "linf"}, "fgsm": {"_target_": "hardlight.attacks.FGSM", "eps": 1}}
    with pytest.raises(UserError, match=r"^attack\.worst_of: attacks\.pgd: norm must be one of linf, l2, got 'l1'"):
        made({**NODE, "norm": "l1", "attacks": inside}, "attack.worst_of")
