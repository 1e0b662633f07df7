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


def cw(attack) -> Call:
    """No search over the constant, so it gets all steps; pixels at exactly 0 or 1 cannot move."""
    steps = attack.binary_search_steps * attack.steps
    return called(ta.CW, c=attack.initial_const, kappa=attack.confidence, steps=steps, lr=attack.lr)


def apgd(attack) -> Call | None:
    settings = {"norm": NORMS[attack.norm], "eps": attack.eps, "steps": attack.steps, "rho": attack.rho}
    if attack.norm == "l1":
        return None
    if attack.loss == "targeted_dlr":
        return called(ta.APGDT, **settings, n_classes=attack.target_classes + 1)
    return called(ta.APGD, **settings, loss={"cross_entropy": "ce", "dlr": "dlr"}[attack.loss])


def fab(attack) -> Call:
    """Keeps what lies within a budget, here a boundless one."""
    settings = {"steps": attack.steps, "alpha_max": attack.alpha_max, "eta": attack.eta, "beta": attack.beta}
    return called(
        ta.FAB, norm=NORMS[attack.norm], eps=1e9, multi_targeted=attack.target_classes is not None, **settings
    )


def auto(attack) -> Call | None:
    """Its four attacks with the 100 steps of the paper."""
    if attack.norm == "l1":
        return None
    settings = {"norm": NORMS[attack.norm], "eps": attack.eps}

    def call(model, x, y, target):
        gradients = [ta.APGD(model, steps=100, **settings), ta.APGDT(model, steps=100, **settings)]
        others = [ta.FAB(model, steps=100, multi_targeted=True, **settings), ta.Square(model, **settings)]
        return ta.MultiAttack([*gradients, *others])(x, y)

    return call


def auto_as_shipped(attack) -> Call | None:
    """Its AutoAttack takes 10 steps where the paper's takes 100."""
    return None if attack.norm == "l1" else called(ta.AutoAttack, norm=NORMS[attack.norm], eps=attack.eps, seed=0)


def square(attack) -> Call | None:
    if attack.norm == "l1":
        return None
    settings = {"eps": attack.eps, "n_queries": attack.queries, "p_init": attack.p_init}
    return called(ta.Square, norm=NORMS[attack.norm], resc_schedule=attack.rescale_schedule, **settings)


COUNTERPARTS: dict[str, tuple[Counterpart, ...]] = {
    "FGSM": (fgsm,),
    "RandomFGSM": (random_fgsm,),
    "BIM": (bim,),
    "MIFGSM": (mi_fgsm,),
    "PGD": (pgd,),
    "DeepFool": (deepfool,),
    "JSMA": (jsma,),
    "CW": (cw,),
    "APGD": (apgd,),
    "FAB": (fab,),
    "Square": (square,),
    "AutoAttack": (auto, auto_as_shipped),
}
