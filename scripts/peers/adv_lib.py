"""adv-lib's counterparts (Rony, github.com/jeromerony/adversarial-library)."""

from collections.abc import Callable
from math import inf

from adv_lib import attacks
from torch import Tensor

from peers.calls import Call, Counterpart

P = {"linf": inf, "l2": 2, "l1": 1, "l0": 0}
LOSSES = {"cross_entropy": "ce", "margin": "dl", "dlr": "dlr"}


def called(function: Callable[..., Tensor], **settings: object) -> Call:
    def call(model, x, y, target):
        labels = y if target is None else target
        return function(model, x, labels, targeted=target is not None, **settings)

    return call


def pgd(attack) -> Call | None:
    """It never looks at what its last step leads to."""
    if attack.norm != "linf":
        return None
    settings = {"steps": attack.steps, "absolute_step_size": attack.step_size, "loss_function": LOSSES[attack.loss]}
    return called(attacks.pgd_linf, ε=attack.eps, random_init=getattr(attack, "random_start", False), **settings)


def deepfool(attack) -> Call:
    return called(attacks.df, steps=attack.steps, overshoot=attack.overshoot, norm=P[attack.norm])


def ddn(attack) -> Call:
    return called(attacks.ddn, steps=attack.steps, γ=attack.gamma, init_norm=attack.init_norm, levels=None)


def fmn(attack) -> Call:
    return called(attacks.fmn, norm=P[attack.norm], steps=attack.steps, α_init=attack.step_size, γ_init=attack.gamma)


COUNTERPARTS: dict[str, tuple[Counterpart, ...]] = {
    "PGD": (pgd,),
    "BIM": (pgd,),
    "DeepFool": (deepfool,),
    "DDN": (ddn,),
    "FMN": (fmn,),
}
