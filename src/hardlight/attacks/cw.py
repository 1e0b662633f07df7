"""The L2 attack of Carlini and Wagner (IEEE S&P 2017)."""

from dataclasses import dataclass

from torch import Tensor

from hardlight import checks
from hardlight.attacks.carlini_wagner import CarliniWagner
from hardlight.attacks.const_search import MOST_SEARCH_STEPS, ConstSearch
from hardlight.attacks.goal import Goal
from hardlight.attacks.nearest import Nearest
from hardlight.attacks.queries import Queries


@dataclass(frozen=True, kw_only=True)
class CW(CarliniWagner):
    """Minimises ‖x_adv - x‖₂² + const · max(confidence - margin, 0), with a search for each sample's const.

    It begins at ``initial_const``, rises tenfold until an image is found, and then is bisected: ``binary_search_steps``
    descents of up to ``steps`` steps, each from the clean image. The nearest image seen in any of them is returned.
    """

    binary_search_steps: int = 9
    steps: int = 300
    lr: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("binary_search_steps", self.binary_search_steps, low=1, high=MOST_SEARCH_STEPS)

    @property
    def passes(self) -> int:
        return 1 + self.binary_search_steps * (1 + self.steps)

    def perturb(self, queries: Queries, x: Tensor, goal: Goal, index: Tensor) -> Tensor:
        rows = (~self.found(queries.logits(x), goal)).nonzero().squeeze(1)
        queries, origin, goal = queries.part(rows), x[rows], goal[rows]
        nearest = Nearest(origin, "l2")
        search = ConstSearch(nearest.length, self.initial_const)
        for _ in range(self.binary_search_steps):
            found, tried = self.descend(queries, origin, goal, search.const)
            nearest.offer(tried, found)
            search.narrow(found)
        x_adv = x.clone()
        x_adv[rows] = nearest.x_adv
        return x_adv
