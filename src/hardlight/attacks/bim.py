"""The basic iterative method, or I-FGSM (Kurakin, Goodfellow, Bengio, ICLR Workshop 2017)."""

from dataclasses import dataclass

from torch import Tensor

from hardlight.attacks.ascent import Ascent
from hardlight.attacks.goal import Goal
from hardlight.attacks.queries import Queries


@dataclass(frozen=True, kw_only=True)
class BIM(Ascent):
    """Projected steepest ascent from the clean image; ``step_size`` is eps/steps unless given."""

    steps: int = 10
    loss: str = "cross_entropy"

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        size = self.eps / self.steps if self.step_size is None else self.step_size
        return self.ascend(queries, x, goal, x, size)
