"""torchattacks' counterparts (Kim, github.com/Harry24k/adversarial-attacks-pytorch)."""

import torchattacks as ta

from peers.calls import Call, Counterpart

NORMS = {"linf": "Linf", "l2": "L2", "l1": "L1"}


def called(kind: type, **settings: object) -> Call:
    def call(model, x, y, target):
        attack = kind(model, **settings)
        if target is not None:
            attack.set_mode_targeted_by_label(quiet=True)
        return attack(x, y if target is None else target)

    return call


def fgsm(attack) -> Call | None:
    return called(ta.FGSM, eps=attack.eps) if attack.norm == "linf" else None


def random_fgsm(attack) -> Call:
    return called(ta.RFGSM, eps=attack.eps, alpha=attack.alpha, steps=1)


def bim(attack) -> Call | None:
    if attack.norm != "linf" or attack.loss != "cross_entropy":
        return None
    return called(ta.BIM, eps=attack.eps, alpha=attack.step_size, steps=attack.steps)


def mi_fgsm(attack) -> Call | None:
    if attack.norm != "linf" or attack.loss != "cross_entropy":
        return None
    return called(ta.MIFGSM, eps=attack.eps, alpha=attack.step_size, steps=attack.steps, decay=attack.decay)


def pgd(attack) -> Call | None:
    if attack.loss != "cross_entropy":
        return None
    kind = {"linf": ta.PGD, "l2": ta.PGDL2}[attack.norm]
    settings = {"steps": attack.steps, "alpha": attack.step_size, "random_start": attack.random_start}
    return called(kind, eps=attack.eps, **settings)


def deepfool(attack) -> Call | None:
    """Image by image, and ends 1e-6 past the boundary, which another batch may take back."""
    return called(ta.DeepFool, steps=attack.steps, overshoot=attack.overshoot) if attack.norm == "l2" else None


def jsma(attack) -> Call:
    """A pixel moves once, and memory grows with the square of their number."""
    return called(ta.JSMA, theta=attack.theta, gamma=attack.gamma)


COUNTERPARTS: dict[str, tuple[Counterpart, ...]] = {
    "FGSM": (fgsm,),
    "RandomFGSM": (random_fgsm,),
    "BIM": (bim,),
    "MIFGSM": (mi_fgsm,),
    "PGD": (pgd,),
    "DeepFool": (deepfool,),
    "JSMA": (jsma,),
}
