"""The Adversarial Robustness Toolbox's counterparts (Nicolae et al., github.com/Trusted-AI), all in one batch."""

from collections.abc import Callable
from math import inf

import torch
from art.attacks import EvasionAttack, evasion
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from peers.calls import Call, Counterpart

P = {"linf": inf, "l2": 2, "l1": 1}


def classifier(model: nn.Module, x: Tensor, optimizer: torch.optim.Optimizer | None = None) -> PyTorchClassifier:
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    device = "gpu" if x.is_cuda else "cpu"
    settings = {"clip_values": (0.0, 1.0), "device_type": device, "optimizer": optimizer}
    return PyTorchClassifier(model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), classes, **settings)


def called(make: Callable[..., EvasionAttack], *, probabilities: bool = False, **settings: object) -> Call:
    def call(model, x, y, target):
        net = nn.Sequential(model, nn.Softmax(dim=1)) if probabilities else model
        asked = dict(settings)
        if target is not None and "targeted" in make.attack_params:
            asked["targeted"] = True
        if "batch_size" in make.attack_params:
            asked["batch_size"] = len(x)
        if "verbose" in make.attack_params:
            asked["verbose"] = False
        labels = (y if target is None else target).cpu().numpy()
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


COUNTERPARTS: dict[str, tuple[Counterpart, ...]] = {
    "FGSM": (fgsm,),
    "MinimalFGSM": (minimal_fgsm,),
    "BIM": (bim,),
    "MIFGSM": (mi_fgsm,),
    "PGD": (pgd,),
    "DeepFool": (deepfool,),
    "JSMA": (jsma,),
}
