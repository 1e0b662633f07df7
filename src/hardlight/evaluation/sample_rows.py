"""What an attack did to a batch, as rows: one for each sample and each eps at which it is reported."""

from collections.abc import Iterator, Mapping

import pandas as pd
import torch
from torch import Tensor

from hardlight.attacks import FixedBudget, Outcome
from hardlight.attacks.goal import margin
from hardlight.evaluation.columns import ANY
from hardlight.evaluation.planned import Planned
from hardlight.evaluation.threat import Threat
from hardlight.metrics import Attacked
from hardlight.tensors import norms


def verify(planned: Planned, x: Tensor, x_adv: Tensor) -> None:
    """Raises ``ThreatError`` unless ``x_adv`` is what the threat model of the attack allows."""
    if isinstance(planned.attack, FixedBudget):
        Threat(planned.norm, planned.eps[0]).verify(x, x_adv)
    else:
        Threat(None, None).verify(x, x_adv)


def at_each_eps(planned: Planned, batch: Attacked) -> Iterator[tuple[float, Attacked]]:
    """The batch as it counts at each eps: what a minimal-norm attack found farther away is the clean image there."""
    for eps in planned.eps:
        if isinstance(planned.attack, FixedBudget) or eps == ANY:
            yield eps, batch
        else:
            yield eps, batch.only(Threat(planned.norm, eps).within(batch.x, batch.x_adv))


def sample_rows(
    batch: Attacked,
    named: Mapping[str, object],
    cost: Outcome | None = None,
    measured: Mapping[str, Tensor] | None = None,
) -> pd.DataFrame:
    """Rows of ``SAMPLE_COLUMNS`` and of what was ``measured``; ``named`` holds run, attack, norm, eps and source."""
    nothing = torch.zeros_like(batch.y)
    columns = {
        "label": batch.y,
        "index": batch.index,
        "clean_prediction": batch.logits.argmax(1),
        "adversarial_prediction": batch.logits_adv.argmax(1),
        **{each: norms(batch.x_adv - batch.x, each) for each in ("l2", "linf", "l0")},
        "margin": -margin(batch.logits_adv, batch.y),
        "forward_passes": cost.forward_passes if cost else nothing,
        "backward_passes": cost.backward_passes if cost else nothing,
        **(measured or {}),
    }
    return pd.DataFrame({**named, **{key: value.cpu().numpy() for key, value in columns.items()}})
