"""adv-lib's counterparts (Rony, github.com/jeromerony/adversarial-library)."""

import importlib.util
import sys
from collections.abc import Callable
from math import inf
from types import ModuleType

from torch import Tensor

from peers.calls import Call, Counterpart

if importlib.util.find_spec("visdom") is None:  # which adv-lib imports for plots that are not asked for here
    sys.modules["visdom"] = ModuleType("visdom")
from adv_lib import attacks

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
    """Its l2 projection caps the pixels, not the scale, at 1: what lies within the ball is stretched to its edge."""
    return called(attacks.fmn, norm=P[attack.norm], steps=attack.steps, α_init=attack.step_size, γ_init=attack.gamma)


def cw(attack) -> Call:
    search = {"binary_search_steps": attack.binary_search_steps, "initial_const": attack.initial_const}
    descent = {"max_iterations": attack.steps, "learning_rate": attack.lr, "abort_early": attack.abort_early}
    return called(attacks.carlini_wagner_l2, confidence=attack.confidence, **search, **descent)


def cw_linf(attack) -> Call:
    search = {"initial_const": attack.initial_const, "largest_const": attack.largest_const, "const_factor": 10}
    descent = {"learning_rate": attack.lr, "max_iterations": attack.steps, "abort_early": attack.abort_early}
    return called(attacks.carlini_wagner_linf, decrease_factor=attack.decrease_factor, **search, **descent)


def apgd(attack) -> Call | None:
    settings = {"eps": attack.eps, "norm": P[attack.norm], "n_iter": attack.steps, "rho": attack.rho}
    if attack.loss == "targeted_dlr":
        return called(attacks.apgd_targeted, **settings, num_targets=attack.target_classes)
    return called(attacks.apgd, **settings, loss_function=LOSSES[attack.loss])


def fab(attack) -> Call:
    settings = {"α_max": attack.alpha_max, "β": attack.beta, "η": attack.eta}
    classes = {"targeted_restarts": attack.target_classes is not None, "restarts": attack.target_classes}
    return called(attacks.fab, norm=P[attack.norm], n_iter=attack.steps, **settings, **classes)


COUNTERPARTS: dict[str, tuple[Counterpart, ...]] = {
    "PGD": (pgd,),
    "BIM": (pgd,),
    "DeepFool": (deepfool,),
    "DDN": (ddn,),
    "FMN": (fmn,),
    "CW": (cw,),
    "CWLinf": (cw_linf,),
    "APGD": (apgd,),
    "FAB": (fab,),
}
