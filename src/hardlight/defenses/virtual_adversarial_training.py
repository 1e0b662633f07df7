"""Virtual adversarial training (Miyato et al., ICLR 2016 and TPAMI 2018)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hardlight import checks
from hardlight.attacks import Queries, attackable
from hardlight.attacks.virtual_direction import divergence, virtual_direction
from hardlight.defenses.defense import Defense


@dataclass(frozen=True, kw_only=True)
class VirtualAdversarialTraining(Defense):
    """loss + weight · mean KL(p(x) ‖ p(x + r)), r the L2 step of length ``eps`` that changes the prediction most.

    r comes from ``iterations`` power iterations on the divergence's Hessian, by finite differences of length ``xi``
    (the paper's 1e-6 rounds to nothing in float32; the direction hardly depends on it). Labels are not used. p(x) and
    r are those of eval mode and constants of the loss; p(x + r) is the model's as it trains.
    """

    eps: float = 2.1
    xi: float = 0.1
    iterations: int = 1
    weight: float = 1.0

    def __post_init__(self) -> None:
        checks.positive("eps", self.eps)
        checks.positive("xi", self.xi)
        checks.whole("iterations", self.iterations, low=1)
        checks.non_negative("weight", self.weight)

    def harden(self, loss: Tensor, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        with attackable(model, x.device):
            queries = Queries(model, len(x), x.device)
            clean = queries.logits(x)
            start = torch.randn_like(x)
            r = self.eps * virtual_direction(queries, x, clean, start, xi=self.xi, iterations=self.iterations)
        return loss + self.weight * divergence(clean, model(x + r)).mean()
