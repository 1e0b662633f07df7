"""Attacks the test set inside ``trainer.test`` and keeps what happened to every sample."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from hardlight.attacks import FixedBudget, Outcome, attackable
from hardlight.attacks.goal import margin
from hardlight.callbacks.progress import bar
from hardlight.data import Batch, DataModule
from hardlight.evaluation.records import SAMPLE_COLUMNS, AttackRun, to_records
from hardlight.evaluation.run_folder import write_records, write_samples
from hardlight.evaluation.threat import Threat
from hardlight.tensors import norms


@dataclass(frozen=True)
class Example:
    """A test image and what one attack made of it, for the gallery: (C, H, W) pixels, logits (K,)."""

    attack: str
    eps: float
    norm: str
    index: int
    label: int
    clean: Tensor
    adversarial: Tensor
    clean_logits: Tensor
    adversarial_logits: Tensor


class AttackEvaluation(pl.Callback):
    """Runs each attack on each test batch; success is judged by a fresh forward pass on the verified final image.

    ``attacks`` maps a name to that attack at each of its eps. ``source`` is the model the images are crafted on
    (black-box), called ``source_name`` in the rows; by default the tested model itself (white-box). ``n`` attacks the
    first n test images only, or as a mapping the first n for each attack named. ``facts`` are the run's columns of
    the records. After the test, ``samples`` and ``records`` hold the rows, which rank 0 has written to ``folder``;
    ``examples`` the first ``gallery`` images. A sample is seen once on any number of processes, and there is no
    collective call before the end of the epoch.
    """

    def __init__(
        self,
        attacks: Mapping[str, Sequence[FixedBudget]],
        *,
        run: str,
        facts: Mapping[str, Any],
        folder: str | Path,
        n: int | Mapping[str, int] | None = None,
        source: Callable[[Tensor], Tensor] | None = None,
        source_name: str = "self",
        gallery: int = 0,
    ) -> None:
        self.source = source
        self.source_name = source_name
        self.attacks = {name: tuple(map(self._prepare, grid)) for name, grid in attacks.items()}
        self.run = run
        self.facts = facts
        self.folder = Path(folder)
        self.n = n
        self.gallery = gallery
        self.examples: list[Example] = []
        self.samples = pd.DataFrame(columns=list(SAMPLE_COLUMNS))
        self.records = pd.DataFrame()

    def _prepare(self, attack: FixedBudget) -> FixedBudget:
        """An image that is to fool another model is not finished when it fools its source."""
        return attack if self.source is None else attack.exhaustive()

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if isinstance(self.source, nn.Module):
            self.source.to(pl_module.device)
        self._frames: list[pd.DataFrame] = []
        self._seconds: dict[tuple[str, float], float] = {}
        self.examples = []
        index = _data(trainer).test_index
        self._chosen = {name: index[: self._n(name)] for name in self.attacks}
        self._bar = bar() if trainer.is_global_zero and trainer.progress_bar_callback is not None else None
        if self._bar is not None:
            work = sum(_cost(attack) for grid in self.attacks.values() for attack in grid)
            self._task = self._bar.add_task("attacking", total=work * trainer.num_test_batches[0])
            self._bar.start()

    def on_test_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Tensor,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._keep("none", "none", 0.0, batch, outputs, batch.x, outputs)
        for name, grid in self.attacks.items():
            rows = torch.isin(batch.index, self._chosen[name].to(batch.index.device)).nonzero().squeeze(1)
            chosen, clean = Batch(*(part[rows] for part in batch)), outputs[rows]
            for attack in grid:
                if len(rows):
                    self._attack(name, attack, pl_module.model, chosen, clean)
                if self._bar is not None:
                    self._bar.update(self._task, advance=_cost(attack), description=f"attacking · {name}")

    def _attack(self, name: str, attack: FixedBudget, model: Any, batch: Batch, clean: Tensor) -> None:
        x, eps, norm = batch.x, float(attack.eps), attack.norm
        start = time.perf_counter()
        outcome = attack.run(self.source or model, x, batch.y, index=batch.index)
        self._seconds[name, eps] = self._seconds.get((name, eps), 0.0) + time.perf_counter() - start
        Threat(norm, eps).verify(x, outcome.x_adv)
        with attackable(model, x.device), torch.no_grad():
            logits = model(outcome.x_adv)
        self._keep(name, norm, eps, batch, clean, outcome.x_adv, logits, outcome)
        drawn = sum(example.attack == name and example.eps == eps for example in self.examples)
        for at in range(min(self.gallery - drawn, len(x))):
            parts = (each[at].cpu() for each in (x, outcome.x_adv, clean, logits))
            self.examples.append(Example(name, eps, norm, int(batch.index[at]), int(batch.y[at]), *parts))

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._bar is not None:
            self._bar.stop()
        gathered = _gather((self._frames, self._seconds))
        frames = [frame for part, _ in gathered for frame in part]
        samples = pd.concat(frames, ignore_index=True)
        order = {name: at for at, name in enumerate(("none", *self.attacks))}
        samples = samples.assign(order=samples["attack"].map(order)).sort_values(["order", "eps", "index"])
        self.samples = samples.drop(columns="order").reset_index(drop=True)
        ran = {}
        for name, grid in self.attacks.items():
            for attack in grid:
                settings = {key: value for key, value in asdict(attack).items() if key not in ("eps", "norm", "label")}
                key = (name, float(attack.eps))
                seconds = sum(part.get(key, 0.0) for _, part in gathered)
                ran[key] = AttackRun(settings=settings, label=str(attack.label), seconds=seconds)
        self.records = to_records(self.samples, self.facts, ran)
        robust = self.records[self.records["metric"] == "robust_accuracy"]
        for row in robust.itertuples():
            rate = f"attack/{row.attack}/{row.eps:g}/robust_accuracy"
            pl_module.log(rate, float(str(row.value)), rank_zero_only=True)
        if trainer.is_global_zero:
            write_samples(self.samples, self.folder)
            write_records(self.records, self.folder)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if getattr(self, "_bar", None) is not None:
            self._bar.stop()  # type: ignore[union-attr]

    def _n(self, name: str) -> int | None:
        return self.n.get(name) if isinstance(self.n, Mapping) else self.n

    def _keep(
        self,
        name: str,
        norm: str,
        eps: float,
        batch: Batch,
        clean: Tensor,
        x_adv: Tensor,
        logits: Tensor,
        cost: Outcome | None = None,
    ) -> None:
        columns = {
            "label": batch.y,
            "index": batch.index,
            "clean_prediction": clean.argmax(1),
            "adversarial_prediction": logits.argmax(1),
            **{each: norms(x_adv - batch.x, each) for each in ("l2", "linf", "l0")},
            "margin": -margin(logits, batch.y),
        }
        passes = (cost.forward_passes, cost.backward_passes) if cost else (torch.zeros_like(batch.y),) * 2
        columns |= dict(zip(("forward_passes", "backward_passes"), passes, strict=True))
        named = {"run": self.run, "attack": name, "norm": norm, "eps": eps}
        named["source"] = "self" if cost is None else self.source_name
        self._frames.append(pd.DataFrame({**named, **{key: value.cpu().numpy() for key, value in columns.items()}}))


def _data(trainer: pl.Trainer) -> DataModule:
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, DataModule)
    return data


def _cost(attack: FixedBudget) -> int:
    return 1 + getattr(attack, "steps", 0) * getattr(attack, "restarts", 1)


def _gather(part: Any) -> list[Any]:
    """The parts of all processes, in the order of their ranks."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [part]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, part)
    return parts
