"""How steep a loss is at the image, and how far the nearest boundary is to first order."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hardlight.attacks import Goal, Queries, attackable
from hardlight.attacks.queries import Model
from hardlight.metrics.sample_metric import Attacked, SampleMetric
from hardlight.statistics import Estimate, bootstrap, median
from hardlight.tensors import norms


def loss_sensitivity(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """‖∂CE/∂x‖₂ of each sample's cross-entropy on logits (Zantedeschi et al. 2017, section 4): (N,) float64.

    ``model`` maps pixels (N, C, H, W) to logits (N, K), ``y`` holds the true labels (N,). Parameters keep their
    ``.grad``. It does not vanish where a float32 softmax rounds to 1. Raises ``ValueError`` as an attack does.
    """
    with attackable(model, x.device):
        goal = Goal(y)
        gradient, logits = Queries(model, len(x), x.device).gradient(x, goal)
        # CE = softplus(u), so its gradient is sigmoid(u) times that of u.
        return goal.value(logits.double()).sigmoid() * norms(gradient.double(), "l2")


def margin_distance(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """(z_y − max over j≠y of z_j)/‖its gradient‖₂: the L2 distance to the boundary, to first order: (N,) float64.

    As ``loss_sensitivity``, which scaling all logits moves while it moves no boundary: this stays. Negative for an
    image that is wrong, infinite where the gradient is 0.
    """
    with attackable(model, x.device):
        goal = Goal(y, loss="margin")
        gradient, logits = Queries(model, len(x), x.device).gradient(x, goal)
        distance = -goal.value(logits.double()) / norms(gradient.double(), "l2")
        return distance.nan_to_num(nan=0.0, posinf=torch.inf, neginf=-torch.inf)  # 0/0, on the boundary itself


class LossSensitivity(SampleMetric):
    """How much the loss of clean images moves with their pixels: neither a bound nor a distance.

    ``loss_sensitivity`` is the mean of the gradient's L2 norm, ``margin_distance`` the median of the distance to the
    boundary as the margin and its gradient foretell it, in the pixels' L2. Both differentiate as an attack would: where
    a layer has a backward of its own, through that.
    """

    on = frozenset({"clean"})
    columns = ("loss_sensitivity", "margin_distance")
    higher_is_better = False

    def per_sample(self, batch: Attacked) -> dict[str, Tensor]:
        """At ``batch.x``, whatever the attack made of it."""
        return {
            "loss_sensitivity": loss_sensitivity(batch.model, batch.x, batch.y),
            "margin_distance": margin_distance(batch.model, batch.x, batch.y),
        }

    def summary(self, values: Mapping[str, Tensor], clean: Mapping[str, Tensor] | None = None) -> dict[str, Estimate]:
        steepness, distance = (values[column].cpu().numpy() for column in self.columns)
        return {
            "loss_sensitivity": bootstrap(steepness),
            "margin_distance": median(distance),
        }
