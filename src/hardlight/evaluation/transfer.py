"""Images crafted on one net and tested on every net, as rows of samples."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from hardlight.attacks import Outcome, attackable
from hardlight.attacks.queries import Model
from hardlight.data import Batch
from hardlight.evaluation.crafted import Crafted
from hardlight.evaluation.planned import Planned
from hardlight.evaluation.records import AttackRun, to_records
from hardlight.evaluation.sample_rows import at_each_eps, sample_rows, verify
from hardlight.metrics import Attacked


class Targets:
    """The nets that every crafted set is tested on, by name, and what each makes of the clean ``batches``.

    ``batches`` can be gone through again and again; the rows are made on the CPU, the forward passes on ``device``.
    """

    def __init__(self, models: Mapping[str, Model], batches: Iterable[Batch], device: torch.device) -> None:
        self.models = models
        self.batches = batches
        self.device = device
        self.clean = {name: self._logits(model, (batch.x for batch in batches)) for name, model in models.items()}

    def clean_rows(self) -> Iterator[pd.DataFrame]:
        """The rows of the clean images: ``run`` is the net."""
        for run in self.models:
            for batch in self._of(run):
                yield sample_rows(batch, {"run": run, "attack": "none", "norm": "none", "eps": 0.0, "source": "self"})

    def rows(self, source: str, name: str, planned: Planned, crafted: Crafted) -> Iterator[pd.DataFrame]:
        """The rows of a set crafted on ``source``: ``run`` is the net that it is tested on.

        Raises ``ThreatError`` for an image that the attack's threat model does not allow, wherever it came from.
        """
        sizes = [len(batch.y) for batch in self.batches]
        x_adv, *passes = (torch.split(part, sizes) for part in crafted[:3])
        for batch, attacked in zip(self.batches, x_adv, strict=True):
            verify(planned, batch.x.cpu(), attacked)
        for run, model in self.models.items():
            named = {"run": run, "attack": name, "norm": planned.norm, "source": source}
            parts = zip(self._of(run), x_adv, self._logits(model, x_adv), *passes, strict=True)
            for clean, attacked, logits, forward, backward in parts:
                label = str(planned.attack.label)
                found = replace(clean, x_adv=attacked, logits_adv=logits, attack=name, label=label)
                for eps, seen in at_each_eps(planned, found):
                    yield sample_rows(seen, {**named, "eps": eps}, Outcome(attacked, forward, backward))

    def _of(self, name: str) -> Iterator[Attacked]:
        """The clean batches as one net sees them."""
        for batch, logits in zip(self.batches, self.clean[name], strict=True):
            x, y, index = (part.cpu() for part in batch)
            model = self.models[name]
            yield Attacked(model=model, x=x, y=y, index=index, logits=logits, x_adv=x, logits_adv=logits)

    def _logits(self, model: Model, images: Iterable[Tensor]) -> list[Tensor]:
        """A fresh forward pass of each batch, in eval mode: (N, K) on the CPU."""
        with attackable(model, self.device), torch.no_grad():
            return [model(x.to(self.device)).cpu() for x in images]


def transfer_records(
    samples: pd.DataFrame,
    facts: Mapping[str, Mapping[str, Any]],
    ran: Mapping[str, Mapping[tuple[str, float], AttackRun]],
) -> pd.DataFrame:
    """The records of ``to_records`` for each net and each source: ``facts`` by net, ``ran`` by source."""
    groups = samples.groupby(["run", "source"], sort=False)
    parts = [to_records(rows, facts[str(run)], ran.get(str(source), {})) for (run, source), rows in groups]
    return pd.concat(parts, ignore_index=True)
