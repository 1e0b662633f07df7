"""The Adversarial Robustness Toolbox's counterparts (Nicolae et al., github.com/Trusted-AI), all in one batch."""

import importlib.util
import io
import multiprocessing
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from math import inf

import torch
from art.attacks import EvasionAttack, evasion
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from peers.calls import Call, Counterpart

if importlib.util.find_spec("multiprocess") is None:  # which its AutoAttack imports, and does not name as a dependency
    sys.modules["multiprocess"] = multiprocessing

P = {"linf": inf, "l2": 2, "l1": 1}


def classifier(model: nn.Module, x: Tensor, optimizer: torch.optim.Optimizer | None = None) -> PyTorchClassifier:
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    device = "gpu" if x.is_cuda else "cpu"
    settings = {"clip_values": (0.0, 1.0), "device_type": device, "optimizer": optimizer}
    return PyTorchClassifier(model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), classes, **settings)


class Single(nn.Module):
    """Takes the double precision that NumPy 2 makes of some of its arrays back."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


def called(make: Callable[..., EvasionAttack], *, probabilities: bool = False, **settings: object) -> Call:
    def call(model, x, y, target):
        net = nn.Sequential(Single(), model, *([nn.Softmax(dim=1)] if probabilities else []))
        asked = dict(settings)
        if target is not None and "targeted" in make.attack_params:
            asked["targeted"] = True
        if "batch_size" in make.attack_params:
            asked["batch_size"] = len(x)
        if "verbose" in make.attack_params:
            asked["verbose"] = False
        labels = (y if target is None else target).cpu().numpy()
        with redirect_stderr(io.StringIO()):  # bars that no setting turns off
            x_adv = make(classifier(net, x), **asked).generate(x.cpu().numpy(), labels)
        return torch.as_tensor(x_adv, dtype=x.dtype, device=x.device)

    return call


def fgsm(attack) -> Call | None:
    return called(evasion.FastGradientMethod, eps=attack.eps, norm=P[attack.norm])


def minimal_fgsm(attack) -> Call:
    first, last = attack.grid[0], attack.grid[-1]
    return called(evasion.FastGradientMethod, eps=last, eps_step=first, norm=P[attack.norm], minimal=True)


def _iterative(kind: type[EvasionAttack], attack, **settings: object) -> Call | None:
    if attack.loss != "cross_entropy":
        return None
    own = {"eps": attack.eps, "eps_step": attack.step_size, "max_iter": attack.steps}
    if kind is not evasion.BasicIterativeMethod:
        own["norm"] = P[attack.norm]
    return called(kind, **own, **settings)


def bim(attack) -> Call | None:
    return _iterative(evasion.BasicIterativeMethod, attack) if attack.norm == "linf" else None


def mi_fgsm(attack) -> Call | None:
    return _iterative(evasion.MomentumIterativeMethod, attack, decay=attack.decay)


def pgd(attack) -> Call | None:
    return _iterative(evasion.ProjectedGradientDescentPyTorch, attack, num_random_init=int(attack.random_start))


def deepfool(attack) -> Call | None:
    """Steps without overshoot, which comes after the last."""
    if attack.norm != "l2":
        return None
    settings = {"max_iter": attack.steps, "epsilon": attack.overshoot, "nb_grads": attack.candidates + 1}
    return called(evasion.DeepFool, **settings)


def jsma(attack) -> Call:
    """Ranks by the target's gradient alone: not the paper's pairs."""
    return called(evasion.SaliencyMapMethod, theta=attack.theta, gamma=attack.gamma)


def cw(attack) -> Call:
    """Searches the step size as well, up to 5 halvings and doublings a step."""
    search = {"binary_search_steps": attack.binary_search_steps, "initial_const": attack.initial_const}
    return called(
        evasion.CarliniL2Method, confidence=attack.confidence, learning_rate=attack.lr, max_iter=attack.steps, **search
    )


def apgd(attack) -> Call | None:
    losses = {"cross_entropy": "cross_entropy", "dlr": "difference_logits_ratio"}
    if attack.loss not in losses:
        return None
    settings = {"norm": P[attack.norm], "eps": attack.eps, "eps_step": 2 * attack.eps, "max_iter": attack.steps}
    return called(evasion.AutoProjectedGradientDescent, nb_random_init=1, loss_type=losses[attack.loss], **settings)


def auto(attack) -> Call:
    """Another set: APGD on two losses, DeepFool, Square."""
    return called(evasion.AutoAttack, norm=P[attack.norm], eps=attack.eps, eps_step=2 * attack.eps)


def cw_linf(attack) -> Call:
    search = {"initial_const": attack.initial_const, "largest_const": attack.largest_const, "const_factor": 10.0}
    descent = {"learning_rate": attack.lr, "max_iter": attack.steps, "decrease_factor": attack.decrease_factor}
    return called(evasion.CarliniLInfMethod, confidence=attack.confidence, **search, **descent)


def cw_l0(attack) -> Call:
    """Fixes one feature a round and searches anew in each; all pixels change by rounding, which is not counted."""
    return called(
        evasion.CarliniL0Method,
        confidence=attack.confidence,
        learning_rate=attack.lr,
        max_iter=attack.steps,
        initial_const=attack.initial_const,
        binary_search_steps=5,
    )


def virtual(attack) -> Call:
    """By differences of 1e-6 in each pixel, a pass for each, from a point a whole unit away."""
    return called(evasion.VirtualAdversarialMethod, probabilities=True, eps=attack.eps, max_iter=attack.iterations)


def universal(attack) -> Call:
    """Image by image."""
    inner = {"max_iter": attack.deepfool_steps, "epsilon": attack.overshoot, "verbose": False}
    ball = {"eps": attack.eps, "norm": P[attack.norm], "delta": attack.delta, "max_iter": attack.steps}
    return called(evasion.UniversalPerturbation, attacker="deepfool", attacker_params=inner, **ball)


def square(attack) -> Call:
    settings = {"eps": attack.eps, "max_iter": attack.queries, "p_init": attack.p_init}
    return called(evasion.SquareAttack, norm=P[attack.norm], **settings)


def hop_skip_jump(attack) -> Call:
    """Image by image."""
    evals = {"init_eval": attack.init_evals, "max_eval": attack.max_evals, "init_size": attack.tries}
    return called(evasion.HopSkipJump, norm=P[attack.norm], max_iter=attack.steps, **evals)


COUNTERPARTS: dict[str, tuple[Counterpart, ...]] = {
    "FGSM": (fgsm,),
    "MinimalFGSM": (minimal_fgsm,),
    "BIM": (bim,),
    "MIFGSM": (mi_fgsm,),
    "PGD": (pgd,),
    "DeepFool": (deepfool,),
    "JSMA": (jsma,),
    "CW": (cw,),
    "CWLinf": (cw_linf,),
    "CWL0": (cw_l0,),
    "VirtualAdversarial": (virtual,),
    "Universal": (universal,),
    "Square": (square,),
    "HopSkipJump": (hop_skip_jump,),
    "APGD": (apgd,),
    "AutoAttack": (auto,),
}
