"""Foolbox's counterparts (Rauber et al., github.com/bethgelab/foolbox), by ``run``: one pass less than by a call."""

import torch
from foolbox import PyTorchModel, attacks
from foolbox.criteria import Misclassification, TargetedMisclassification

from peers.calls import Call, Counterpart


def called(attack: object, **settings: object) -> Call:
    def call(model, x, y, target):
        wrapped = PyTorchModel(model.eval(), bounds=(0, 1), device=x.device)
        return attack.run(wrapped, x, _criterion(y, target), **settings)

    return call


def _criterion(y, target):
    return Misclassification(y) if target is None else TargetedMisclassification(target)


def fgsm(attack) -> Call | None:
    kinds = {"linf": attacks.LinfFastGradientAttack, "l2": attacks.L2FastGradientAttack}
    return called(kinds[attack.norm](), epsilon=attack.eps) if attack.norm in kinds else None


def noise(attack) -> Call:
    return called(attacks.LinfAdditiveUniformNoiseAttack(), epsilon=attack.eps)


def minimal_fgsm(attack) -> Call | None:
    """No such attack: FGSM over the same grid, of which the first that fools is taken here."""
    if attack.norm != "linf":
        return None

    def call(model, x, y, target):
        wrapped = PyTorchModel(model.eval(), bounds=(0, 1), device=x.device)
        kind = attacks.LinfFastGradientAttack()
        _, found, fooled = kind(wrapped, x, _criterion(y, target), epsilons=attack.grid)
        first = fooled.int().argmax(0)
        x_adv = torch.stack(list(found))[first, torch.arange(len(x), device=x.device)]
        return torch.where(fooled.any(0)[:, None, None, None], x_adv, x)

    return call


def _gradient_descent(kinds: dict[str, type], attack, **settings: object) -> Call | None:
    if attack.loss != "cross_entropy":
        return None
    kind = kinds[attack.norm](abs_stepsize=attack.step_size, steps=attack.steps, **settings)
    return called(kind, epsilon=attack.eps)


def bim(attack) -> Call | None:
    kinds = {"linf": attacks.LinfBasicIterativeAttack, "l2": attacks.L2BasicIterativeAttack}
    return _gradient_descent(kinds, attack)


def mi_fgsm(attack) -> Call | None:
    """The momentum is of the gradient as it is, not divided by its L1 norm."""
    kinds = {
        "linf": attacks.LinfMomentumIterativeFastGradientMethod,
        "l2": attacks.L2MomentumIterativeFastGradientMethod,
    }
    return _gradient_descent(kinds, attack, momentum=attack.decay)


def pgd(attack) -> Call | None:
    kinds = {"linf": attacks.LinfProjectedGradientDescentAttack, "l2": attacks.L2ProjectedGradientDescentAttack}
    return _gradient_descent(kinds, attack, random_start=attack.random_start)


def deepfool(attack) -> Call:
    kind = {"l2": attacks.L2DeepFoolAttack, "linf": attacks.LinfDeepFoolAttack}[attack.norm]
    return called(kind(steps=attack.steps, candidates=attack.candidates + 1, overshoot=attack.overshoot))


def ddn(attack) -> Call:
    return called(attacks.DDNAttack(init_epsilon=attack.init_norm, steps=attack.steps, gamma=attack.gamma))


def fmn(attack) -> Call:
    kinds = {
        "linf": attacks.LInfFMNAttack,
        "l2": attacks.L2FMNAttack,
        "l1": attacks.L1FMNAttack,
        "l0": attacks.L0FMNAttack,
    }
    return called(kinds[attack.norm](steps=attack.steps, max_stepsize=attack.step_size, gamma=attack.gamma))


def cw(attack) -> Call:
    search = {"binary_search_steps": attack.binary_search_steps, "initial_const": attack.initial_const}
    descent = {"steps": attack.steps, "stepsize": attack.lr, "abort_early": attack.abort_early}
    return called(attacks.L2CarliniWagnerAttack(confidence=attack.confidence, **search, **descent))


def virtual(attack) -> Call:
    return called(attacks.VirtualAdversarialAttack(steps=attack.iterations, xi=attack.xi), epsilon=attack.eps)


def hop_skip_jump(attack) -> Call:
    evals = {"initial_gradient_eval_steps": attack.init_evals, "max_gradient_eval_steps": attack.max_evals}
    return called(attacks.HopSkipJumpAttack(steps=attack.steps, constraint=attack.norm, **evals))


COUNTERPARTS: dict[str, tuple[Counterpart, ...]] = {
    "Noise": (noise,),
    "FGSM": (fgsm,),
    "MinimalFGSM": (minimal_fgsm,),
    "BIM": (bim,),
    "MIFGSM": (mi_fgsm,),
    "PGD": (pgd,),
    "DeepFool": (deepfool,),
    "DDN": (ddn,),
    "FMN": (fmn,),
    "CW": (cw,),
    "VirtualAdversarial": (virtual,),
    "HopSkipJump": (hop_skip_jump,),
}
