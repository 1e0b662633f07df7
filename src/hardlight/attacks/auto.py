"""AutoAttack, the standard version (Croce and Hein, ICML 2020; its l1 form: Croce and Hein, ICML 2021)."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from hardlight.attacks.apgd import APGD
from hardlight.attacks.attack import Attack
from hardlight.attacks.early_stop import EarlyStop
from hardlight.attacks.fab import FAB
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries
from hardlight.attacks.square import Square
from hardlight.attacks.worst_of import WorstOf


@dataclass(frozen=True, kw_only=True)
class AutoAttack(EarlyStop):
    """APGD on the cross-entropy, APGD on the targeted DLR, targeted FAB and Square, in this order.

    The settings are the standard ones, so that there is nothing to tune: 100 steps, the 9 likeliest other classes
    (APGD in l1: the 5 likeliest, and 5 restarts on the cross-entropy), 5000 queries of Square. With ``early_stop`` each
    sees what still stands after the one before. It works for two and three classes too, and a random net is given
    ``eot``. Targeted, the attacks that go through classes go to the target alone.
    """

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    draws: ClassVar[bool] = True

    @property
    def in_turn(self) -> WorstOf:
        """The four as one attack."""
        l1 = self.norm == "l1"
        apgd = APGD(eps=self.eps, norm=self.norm, seed=self.seed, early_stop=self.early_stop)
        attacks: dict[str, Attack] = {
            "apgd_ce": replace(apgd, loss="cross_entropy", restarts=5 if l1 else 1),
            "apgd_t": replace(apgd, loss="targeted_dlr", target_classes=5 if l1 else 9),
            "fab_t": FAB(norm=self.norm, seed=self.seed, target_classes=9),
            "square": Square(eps=self.eps, norm=self.norm, seed=self.seed, early_stop=self.early_stop),
        }
        return WorstOf(eps=self.eps, norm=self.norm, attacks=attacks, early_stop=self.early_stop)

    @property
    def passes(self) -> int:
        return self.in_turn.passes

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        return self.in_turn.perturb(queries, x, goal, index)
