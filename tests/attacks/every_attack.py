"""Every attack that the package offers, in each of its norms, set so that it is quick: new ones join by themselves."""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import hardlight.attacks
from hardlight.attacks import FGSM, PGD, Attack, FixedBudget, MinimalFGSM, WorstOf

EPS = {"linf": 0.1, "l2": 0.3, "l1": 0.8, "l0": 3.0}

QUICK = {"steps": 6, "binary_search_steps": 2, "queries": 20, "init_evals": 20}
"""Settings by their names, for every attack that has them and is not told otherwise below."""

FEW = {"steps": 3, "queries": 10}
"""The same of attacks that are parts of others."""

WORST_OF = {
    "linf": {"pgd": PGD(eps=1, steps=3), "minimal": MinimalFGSM(eps_step=0.05), "fgsm": FGSM(eps=1)},
    "l2": {"fgsm": FGSM(eps=1), "pgd": PGD(eps=1, steps=3)},
    "l1": {"minimal": MinimalFGSM(norm="l1", eps_step=0.2, eps_max=2), "fgsm": FGSM(eps=1)},
}

OWN: dict[str, dict[str, dict[str, Any]]] = {
    "MinimalFGSM": {"linf": {"eps_step": 0.05}, "l2": {"eps_step": 0.2}, "l1": {"eps_step": 0.5, "eps_max": 6}},
    "WorstOf": {norm: {"attacks": attacks} for norm, attacks in WORST_OF.items()},  # no attack has a budget in l0
}
"""By class and norm. What is here has these norms alone."""


def _quick(kind: type[Attack], norm: str, quick: dict[str, Any] = QUICK) -> dict[str, Any]:
    budget = {"eps": EPS[norm]} if issubclass(kind, FixedBudget) else {}
    named = {field: value for field, value in quick.items() if field in kind.__dataclass_fields__}
    return {"norm": norm, **budget, **named, **OWN.get(kind.__name__, {}).get(norm, {})}


def _with_quick_parts(kind: type[Attack]) -> type[Attack]:
    """An attack whose parts cannot be set, with quick parts."""

    def in_turn(self: Attack) -> WorstOf:
        whole = kind.in_turn.fget(self)
        parts = {name: replace(part, **_quick(type(part), self.norm, FEW)) for name, part in whole.attacks.items()}
        return replace(whole, attacks=parts)

    return type(kind.__name__, (kind,), {"in_turn": property(in_turn)})


def _every() -> Iterator[Attack]:
    for name in hardlight.attacks.__all__:
        kind = getattr(hardlight.attacks, name)
        if not inspect.isclass(kind) or not issubclass(kind, Attack) or inspect.isabstract(kind):
            continue
        kind = _with_quick_parts(kind) if hasattr(kind, "in_turn") else kind
        for norm in OWN.get(name, kind.norms):
            yield kind(**_quick(kind, norm))


EVERY = list(_every())


def name(attack: Attack) -> str:
    return f"{type(attack).__name__}-{attack.norm}"


def variants(attack: Attack) -> Iterator[Attack]:
    """The attack, and with what it can wear and set besides."""
    yield attack
    yield replace(attack, label="predicted", eot=2)
    if attack.draws:
        yield replace(attack, restarts=2)
    if hasattr(attack, "early_stop"):
        yield replace(attack, early_stop=True, **({"restarts": 2} if attack.draws else {}))
