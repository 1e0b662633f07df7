"""Label smoothing (Szegedy et al., CVPR 2016; in the form of Warde-Farley and Goodfellow 2016)."""

from dataclasses import dataclass

from torch import Tensor

from hardlight import checks
from hardlight.defenses.defense import Defense


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(Defense):
    """The true class is given probability ``true_label``, the others share the rest: 0.9 and 0.1/(K-1)."""

    true_label: float = 0.9

    def __post_init__(self) -> None:
        checks.number("true_label", self.true_label, low=0, high=1, strict_low=True)

    def soften(self, target: Tensor) -> Tensor:
        classes = target.shape[1]
        if self.true_label <= 1 / classes:  # the true class would no longer be the likeliest
            raise ValueError(
                f"true_label must be greater than 1/{classes} for {classes} classes, got {self.true_label}"
            )
        others = (1 - self.true_label) / (classes - 1)
        return others + (self.true_label - others) * target
