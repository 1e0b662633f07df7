"""What attacks share that may let a sample go once it fools the model."""

from abc import ABC
from dataclasses import dataclass, replace
from typing import Self

from hardlight import checks
from hardlight.attacks.attack import FixedBudget


@dataclass(frozen=True, kw_only=True)
class EarlyStop(FixedBudget, ABC):
    """With ``early_stop`` a sample leaves as soon as it fools the model, without it the whole budget is spent on it."""

    early_stop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.flag("early_stop", self.early_stop)

    @property
    def stops_early(self) -> bool:
        return self.early_stop

    def exhaustive(self) -> Self:
        return replace(self, early_stop=False)
