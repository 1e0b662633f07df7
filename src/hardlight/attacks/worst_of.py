"""Several attacks as one: for each sample the worst that any of them finds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from hardlight.attacks.attack import Attack, FixedBudget, MinimalNorm
from hardlight.attacks.attackable import attackable
from hardlight.attacks.early_stop import EarlyStop
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Model, Queries
from hardlight.attacks.worst import Worst
from hardlight.tensors import norms


@dataclass(frozen=True, kw_only=True)
class WorstOf(EarlyStop):
    """Runs ``attacks`` in their order, each with this ``eps``, ``norm`` and label, and keeps the worst for each sample.

    Seed, restarts and all else are each attack's own. What a minimal-norm attack finds counts if it lies within
    ``eps``. With ``early_stop`` a sample that one attack fools is not shown to the next. Raises ``ValueError`` unless
    one of the attacks has a budget: the others may leave a sample as it is.
    """

    attacks: Mapping[str, Attack]

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1", "l0")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.attacks, Mapping):
            raise ValueError(f"attacks must be a mapping of names to attacks, got {self.attacks!r}")
        for name, attack in self.attacks.items():
            if not isinstance(attack, FixedBudget | MinimalNorm):
                raise ValueError(f"attacks.{name} must be an attack, got {attack!r}")
        if not any(isinstance(attack, FixedBudget) for attack in self.attacks.values()):
            raise ValueError(f"attacks must hold one that has a budget, got {', '.join(self.attacks) or 'none'}")
        object.__setattr__(self, "attacks", {name: self._as_here(name) for name in self.attacks})

    def _as_here(self, name: str) -> Attack:
        attack = self.attacks[name]
        try:
            if isinstance(attack, FixedBudget):
                return replace(attack, eps=self.eps, norm=self.norm, label=self.label)
            assert isinstance(attack, MinimalNorm)  # as checked before
            return replace(attack, norm=self.norm, label=self.label)
        except ValueError as error:
            raise ValueError(f"attacks.{name}: {error}") from error

    @property
    def passes(self) -> int:
        return sum(attack.work for attack in self.attacks.values())

    def exhaustive(self) -> Self:
        attacks = {name: attack.exhaustive() for name, attack in self.attacks.items()}
        return replace(super().exhaustive(), attacks=attacks)

    def check(self, model: Model, x: Tensor) -> None:
        with attackable(model, x.device), self._asking(Queries(model, 1, x.device), x):
            for attack in self.attacks.values():
                attack.check(model, x)

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        worst = Worst(queries, x, goal)
        for attack in self.attacks.values():
            rows = worst.standing if self.early_stop else torch.arange(len(x), device=x.device)
            if not len(rows):
                break
            found = attack.worn(queries.part(rows), x[rows], goal[rows], index[rows])
            if isinstance(attack, MinimalNorm):
                delta = norms(found - x[rows], self.norm)
                near = (delta > 0) & (delta <= self.eps)
                rows, found = rows[near], found[near]
            worst.offer(found, rows)
        return worst.x_adv
