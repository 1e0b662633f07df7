"""An attack that is to be run, and the eps at which its accuracy is reported."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from hardlight import checks
from hardlight.attacks import Attack, FixedBudget, MinimalNorm
from hardlight.evaluation.columns import ANY


@dataclass(frozen=True)
class Planned:
    """One run of ``attack``: a fixed-budget one is reported at its own eps, a minimal-norm one at as many as wanted.

    At an eps, a sample counts as broken by a minimal-norm attack if what it found lies within that eps.
    """

    attack: FixedBudget | MinimalNorm
    eps: tuple[float, ...]

    @classmethod
    def of(cls, attack: Attack, eps: Sequence[float] = ()) -> Self:
        """``eps`` are those of a minimal-norm attack. Raises ``ValueError`` for one that is no positive number."""
        if isinstance(attack, FixedBudget):
            return cls(attack, (float(attack.eps),))
        if not isinstance(attack, MinimalNorm):
            raise ValueError(f"an attack must be a FixedBudget or a MinimalNorm, got {type(attack).__name__}")
        for each in eps:
            checks.positive("eps", each)
        return cls(attack, (*map(float, eps), ANY))

    @property
    def norm(self) -> str:
        """The norm that eps is measured in."""
        return self.attack.norm

    @property
    def settings(self) -> dict[str, Any]:
        """What distinguishes its results besides norm, eps and label."""
        return _distinguishing(asdict(self.attack))


def _distinguishing(settings: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in settings.items() if key not in ("eps", "norm", "label")}
    return {key: _distinguishing(value) if isinstance(value, dict) else value for key, value in kept.items()}
