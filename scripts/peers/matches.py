"""Which attacks meet which, with equal settings on both sides, how many images, and what we owe.

Budgets are those at which roughly a third of the images survive on the paper's MNIST CNN, so that strength shows; PGD
and AutoAttack are also asked at the eps that is usual on MNIST, where none does.
"""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from hardlight import attacks
from hardlight.attacks import Attack

LINF, L2, L1 = 0.1, 1.5, 12.0
FASTEST = ""
"""In ``goals``: the fastest peer of at least our strength."""


@dataclass(frozen=True)
class Ours:
    """One of our attacks, and how many times as fast it is to be as which library, at no less strength.

    ``tolerance`` and ``statistic`` are those by which two minimal norms are told apart.
    """

    name: str
    attack: str
    settings: dict[str, Any]
    goals: dict[str, float] = field(default_factory=lambda: {FASTEST: 1.0})
    tolerance: float = 0.001
    statistic: str = "median"

    def made(self) -> Attack | None:
        """None while there is no such attack."""
        kind = getattr(attacks, self.attack, None)
        return None if kind is None else kind(**self.settings)


@dataclass(frozen=True)
class Match:
    """The peers' counterparts of ``asked``, and those of ours that are held against them.

    ``images`` are attacked when speed is measured, ``strong`` when strength is, in batches of ``batch``; libraries that
    are slow attack ``few``, in the one as in a batch of the other. ``targeted``: at the class after the label.
    ``trainable``: with weights that require gradients, as after training. ``quick``: images when it shall be quick, 0
    to leave it out.
    """

    asked: Ours
    ours: tuple[Ours, ...]
    images: int = 128
    few: dict[str, int] = field(default_factory=dict)
    strong: int = 500
    batch: int = 50
    quick: int = 8
    targeted: bool = False
    trainable: bool = False

    @property
    def name(self) -> str:
        return self.asked.name


def one(name: str, attack: str, settings: dict[str, Any], goals: dict[str, float] | None = None, **own: Any) -> Match:
    """The same attack on both sides."""
    asked = Ours(name, attack, settings, *([goals] if goals else []))
    return Match(asked, (asked,), **own)


def early(name: str, attack: str, settings: dict[str, Any], goal: float = 1.0, **own: Any) -> Match:
    """With samples that leave once they fool the model, and with the whole budget spent on all."""
    asked = Ours(name, attack, settings)
    leaving = Ours(f"{name}, leaving", attack, {**settings, "early_stop": True}, {FASTEST: goal})
    return Match(asked, (leaving, asked), **own)


def ascent(eps: float, norm: str, steps: int, step_size: float) -> dict[str, Any]:
    return {"eps": eps, "norm": norm, "steps": steps, "step_size": step_size, "loss": "cross_entropy"}


PGD40 = ascent(LINF, "linf", 40, LINF / 30)
CW_SHORT = {"binary_search_steps": 5, "steps": 100, "lr": 0.1, "initial_const": 1.0}
CW_LONG = {"binary_search_steps": 9, "steps": 1000, "lr": 0.01, "initial_const": 1.0}
PAIRS = Ours("jsma, pairs", "JSMA", {"rule": "pair", "outputs": "logits", "theta": 0.1})
SQUARE = {"eps": LINF, "queries": 1000, "rescale_schedule": True, "early_stop": True}

MATCHES = (
    one("noise", "Noise", {"eps": 3 * LINF}),
    one("fgsm linf", "FGSM", {"eps": LINF}),
    one("fgsm l2", "FGSM", {"eps": L2, "norm": "l2"}),
    one("random_fgsm", "RandomFGSM", {"eps": LINF, "alpha": LINF / 2}),
    one("minimal_fgsm", "MinimalFGSM", {"eps_step": 0.01, "eps_max": 1.0}, {FASTEST: 2}),
    early("bim linf", "BIM", ascent(LINF, "linf", 10, LINF / 10)),
    early("mi_fgsm linf", "MIFGSM", {**ascent(LINF, "linf", 10, LINF / 10), "decay": 1.0}),
    early("pgd linf", "PGD", PGD40, 1.3, images=48),
    early("pgd linf 0.3", "PGD", ascent(0.3, "linf", 40, 0.01), 1.3, images=48),
    early("pgd l2", "PGD", ascent(L2, "l2", 40, 2.5 * L2 / 40), 1.3, images=48),
    Match(
        Ours("pgd linf 10, weights with gradients", "PGD", {**PGD40, "steps": 10, "step_size": LINF / 4}),
        (
            Ours(
                "pgd linf 10, weights with gradients, leaving",
                "PGD",
                {**PGD40, "steps": 10, "step_size": LINF / 4, "early_stop": True},
                {FASTEST: 1.0, "ART": 1.8, "Foolbox": 1.8},
            ),
        ),
        trainable=True,
    ),
    one("deepfool l2", "DeepFool", {}, {FASTEST: 4, "ART": 40}, images=64, few={"ART": 8, "torchattacks": 16}),
    one("deepfool linf", "DeepFool", {"norm": "linf"}, {FASTEST: 4}, images=64),
    one(
        "jsma, ART's rule",
        "JSMA",
        {"rule": "target", "outputs": "logits", "theta": 0.1},
        {"ART": 5},
        images=32,
        few={"torchattacks": 1},
        strong=64,
        batch=32,
        quick=1,
        targeted=True,
    ),
    Match(
        PAIRS,
        (replace(PAIRS, goals={"ART": 2}, tolerance=inf),),  # another rule than ART's: success alone is compared
        images=32,
        few={"torchattacks": 1},
        strong=64,
        batch=32,
        quick=0,
        targeted=True,
    ),
    Match(
        Ours("ddn 100", "DDN", {"steps": 100}),
        (Ours("ddn 100", "DDN", {"steps": 100}), Ours("min_l2 by ddn 100", "MinL2", {})),
        images=16,
    ),
    *(one(f"fmn {norm} 100", "FMN", {"norm": norm, "steps": 100}, images=16) for norm in ("linf", "l2", "l1", "l0")),
    Match(
        Ours("cw 5x100", "CW", CW_SHORT),
        (Ours("cw 5x100", "CW", CW_SHORT), Ours("min_l2 by cw 5x100", "MinL2", {})),
        images=16,
        few={"ART": 4},
        strong=128,
        batch=32,
        quick=0,
    ),
    Match(
        Ours("cw 9x1000", "CW", CW_LONG),
        (
            Ours("cw 9x1000", "CW", CW_LONG, {FASTEST: 1.3}),
            Ours("min_l2 by cw 9x1000", "MinL2", {}, {FASTEST: 50}, tolerance=0.005, statistic="mean"),
        ),
        images=8,
        few={"ART": 1},
        strong=64,
        batch=8,
        quick=0,
    ),
    one("cw_linf", "CWLinf", {}, images=4, few={"ART": 2}, strong=64, batch=8, quick=0),
    one("cw_l0", "CWL0", {}, images=2, strong=16, batch=4, quick=0),
    one("virtual", "VirtualAdversarial", {"eps": 2 * L2}, images=16, few={"ART": 1}, quick=0),
    one("universal", "Universal", {"eps": 3 * LINF}, images=16, strong=64, quick=0),
    *(
        early(f"apgd {loss} {norm}", "APGD", {"eps": eps, "norm": norm, "loss": loss}, 1.3, images=16, quick=2)
        for loss, norm, eps in (("cross_entropy", "linf", LINF), ("dlr", "l2", L2), ("cross_entropy", "l1", L1))
    ),
    early("apgd targeted_dlr linf", "APGD", {"eps": LINF, "loss": "targeted_dlr"}, 1.3, images=8, quick=1),
    one("fab linf", "FAB", {"norm": "linf"}, images=8, quick=2),
    one("fab l2", "FAB", {"norm": "l2"}, images=8, quick=2),
    one("square linf 1000", "Square", SQUARE, images=16, few={"ART": 4}, quick=1),
    one("hop_skip_jump l2", "HopSkipJump", {"steps": 10}, images=4, strong=64, batch=16, quick=0),
    *(
        one(
            name,
            "AutoAttack",
            {"eps": eps, "early_stop": True},
            {"torchattacks": 1.5},
            images=12,
            few={"ART": 8},
            strong=64,
            batch=32,
            quick=0,
        )
        for name, eps in (("auto linf", LINF), ("auto linf 0.3", 0.3))
    ),
)


def called(names: list[str]) -> tuple[Match, ...]:
    """The matches of which one of ``names`` is a part of the name; all without names."""
    return tuple(each for each in MATCHES if not names or any(name in each.name for name in names))
