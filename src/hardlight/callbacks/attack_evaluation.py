"""Attacks the test set inside ``trainer.test`` and keeps what happened to every sample."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from rich.progress import Progress as Bar
from torch import Tensor, nn

from hardlight.attacks import attackable
from hardlight.attacks.queries import Watch
from hardlight.callbacks.example import Example
from hardlight.callbacks.progress import bar, working
from hardlight.data import Batch, DataModule
from hardlight.errors import RunFailed
from hardlight.evaluation.columns import ANY, SAMPLE_COLUMNS
from hardlight.evaluation.hashes import weights_sha256
from hardlight.evaluation.planned import Planned
from hardlight.evaluation.records import AttackRun, to_records
from hardlight.evaluation.run_folder import write_records, write_samples
from hardlight.evaluation.sample_rows import at_each_eps, sample_rows, verify
from hardlight.evaluation.unfinished import Unfinished
from hardlight.metrics import Attacked, SampleMetric

MINUTE = 60.0


class AttackEvaluation(pl.Callback):
    """Runs each attack on each test batch; success is judged by a fresh forward pass on the verified final image.

    ``attacks`` maps a name to that attack as planned: at each of its eps, or once for all of them. ``metrics`` are
    measured beside the accuracies. ``source`` is the model the images are crafted on (black-box), called
    ``source_name`` in the rows; by default the tested model itself (white-box). ``n`` attacks the first n test images
    only, or as a mapping the first n for each attack named. ``facts`` are the run's columns of the records. After the
    test, ``samples`` and ``records`` hold the rows, which rank 0 has written to ``folder``; ``examples`` the first
    ``gallery`` images. A sample is seen once on any number of processes, and there is no collective call before the
    end of the epoch. What is finished is kept in ``folder`` every minute and at an exception, and taken up from there.
    """

    def __init__(
        self,
        attacks: Mapping[str, Sequence[Planned]],
        *,
        run: str,
        facts: Mapping[str, Any],
        folder: str | Path,
        metrics: Sequence[SampleMetric] = (),
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
        self.metrics = metrics
        self.n = n
        self.gallery = gallery
        self.examples: list[Example] = []
        self.samples = pd.DataFrame(columns=list(SAMPLE_COLUMNS))
        self.records = pd.DataFrame()
        self._frames: list[pd.DataFrame] = []
        self._bar: Bar | None = None

    def _prepare(self, planned: Planned) -> Planned:
        """An image that is to fool another model is not finished when it fools its source."""
        return planned if self.source is None else replace(planned, attack=planned.attack.exhaustive())

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if isinstance(self.source, nn.Module):
            self.source.to(pl_module.device)
        for metric in self.metrics:
            if metric.needs_train:
                metric.prepare(_data(trainer).training_images())
        self._frames = []
        self._unfinished = Unfinished(self.folder, self._follows_from(pl_module), trainer.global_rank)
        self._kept = time.monotonic()
        self.examples = []
        index = _data(trainer).test_index
        self._chosen = {name: index[: self._n(name)] for name in self.attacks}
        self._bar = bar() if trainer.is_global_zero and trainer.progress_bar_callback is not None else None
        if self._bar is not None:
            images = {name: len(chosen) for name, chosen in self._chosen.items()}
            work = sum(images[name] * planned.attack.work for name, grid in self.attacks.items() for planned in grid)
            self._task = self._bar.add_task("attacking", total=work / trainer.world_size)
            self._bar.start()

    def on_test_batch_end(  # type: ignore[override]  # our test_step gives logits, always
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Tensor,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        x, y, index = batch
        if outputs.isnan().any():  # the argmax of which would pass for a prediction
            raise RunFailed("the net's logits of test images are NaN: weights that diverged, or an overflow inside?")
        model: Any = pl_module.model
        clean = Attacked(model=model, x=x, y=y, index=index, logits=outputs, x_adv=x, logits_adv=outputs)
        named = {"run": self.run, "attack": "none", "norm": "none", "eps": 0.0, "source": "self", "seconds": 0.0}
        self._frames.append(sample_rows(clean, named, measured=self._measured(clean, {"clean"})))
        for name, grid in self.attacks.items():
            rows = torch.isin(index, self._chosen[name].to(index.device)).nonzero().squeeze(1)
            if not len(rows):
                continue
            for planned in grid:
                if self._bar is None:
                    self._attack(name, planned, clean.select(rows))
                    continue
                self._bar.update(self._task, description=f"attacking · {name}")
                with working(self._bar, self._task, planned.attack.work * len(rows)) as watch:
                    self._attack(name, planned, clean.select(rows), watch)

    def _attack(self, name: str, planned: Planned, clean: Attacked, watch: Watch | None = None) -> None:
        if self._take_up(name, planned, clean):
            return
        x, y = clean.x, clean.y
        start = time.perf_counter()
        outcome = planned.attack.run(self.source or clean.model, x, y, index=clean.index, watch=watch)
        seconds = (time.perf_counter() - start) / len(x)
        verify(planned, x, outcome.x_adv)
        with attackable(clean.model, x.device), torch.no_grad():
            logits = clean.model(outcome.x_adv)
        label = str(planned.attack.label)
        attacked = replace(clean, x_adv=outcome.x_adv, logits_adv=logits, attack=name, label=label)
        for eps, seen in at_each_eps(planned, attacked):
            named = {"run": self.run, "attack": name, "norm": planned.norm, "eps": eps, "source": self.source_name}
            named["seconds"] = seconds
            measured = self._measured(seen, {"attacked", "minimal"} if eps == ANY else {"attacked"})
            self._frames.append(sample_rows(seen, named, outcome, measured))
            self._draw(eps, planned.norm, seen)
        if time.monotonic() - self._kept >= MINUTE:
            self._keep()

    def _take_up(self, name: str, planned: Planned, clean: Attacked) -> bool:
        """Whether an evaluation that was stopped did this; of images that are to be drawn, it kept no pixels."""
        found = [self._unfinished.rows(name, eps, clean.index.tolist()) for eps in planned.eps]
        rows = [each for each in found if each is not None]
        if len(rows) < len(found) or self._drawn(name, planned.eps[0]) < self.gallery:
            return False
        self._frames += rows
        return True

    def _keep(self) -> None:
        attacked = [frame for frame in self._frames if frame["attack"].iloc[0] != "none"]
        if attacked:
            self._unfinished.keep(pd.concat(attacked, ignore_index=True))
        self._kept = time.monotonic()

    def _follows_from(self, model: nn.Module) -> Iterator[str]:
        """All that a sample's row is a function of, but for the images."""
        yield self.run
        yield weights_sha256(model)
        yield weights_sha256(self.source) if isinstance(self.source, nn.Module) else self.source_name
        yield repr((self.attacks, self.metrics))

    def _measured(self, batch: Attacked, kinds: set[str]) -> dict[str, Tensor]:
        """The columns of the metrics that measure such a batch."""
        found = [metric.per_sample(batch) for metric in self.metrics if kinds & set(metric.on)]
        return {column: values for each in found for column, values in each.items()}

    def _draw(self, eps: float, norm: str, batch: Attacked) -> None:
        for at in range(min(self.gallery - self._drawn(batch.attack, eps), len(batch.x))):
            parts = (each[at].cpu() for each in (batch.x, batch.x_adv, batch.logits, batch.logits_adv))
            self.examples.append(Example(batch.attack, eps, norm, int(batch.index[at]), int(batch.y[at]), *parts))

    def _drawn(self, attack: str, eps: float) -> int:
        return sum(example.attack == attack and example.eps == eps for example in self.examples)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._bar is not None:
            self._bar.stop()
        samples = pd.concat([frame for part in _gather(self._frames) for frame in part], ignore_index=True)
        seconds = samples.groupby(["attack", "eps"])["seconds"].sum()
        order = {name: at for at, name in enumerate(("none", *self.attacks))}
        samples = samples.assign(order=samples["attack"].map(order)).sort_values(["order", "eps", "index"])
        self.samples = samples.drop(columns=["order", "seconds"]).reset_index(drop=True)
        ran = {}
        for name, grid in self.attacks.items():
            for planned in grid:
                for eps in planned.eps:
                    took = float(seconds.get((name, eps), 0.0))
                    ran[name, eps] = AttackRun(settings=planned.settings, label=str(planned.attack.label), seconds=took)
        self.records = to_records(self.samples, self.facts, ran, self.metrics)
        robust = self.records[self.records["metric"] == "robust_accuracy"]
        for row in robust.itertuples():
            rate = f"attack/{row.attack}/{row.eps:g}/robust_accuracy"
            pl_module.log(rate, float(str(row.value)), rank_zero_only=True)
        if trainer.is_global_zero:
            write_samples(self.samples, self.folder)
            write_records(self.records, self.folder)
            self._unfinished.forget()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if self._bar is not None:
            self._bar.stop()
        if trainer.testing:
            self._keep()

    def _n(self, name: str) -> int | None:
        return self.n.get(name) if isinstance(self.n, Mapping) else self.n


def _data(trainer: pl.Trainer) -> DataModule:
    data = trainer.datamodule  # type: ignore[attr-defined]  # set where mypy does not see it
    assert isinstance(data, DataModule)
    return data


def _gather(part: Any) -> list[Any]:
    """The parts of all processes, in the order of their ranks."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [part]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, part)
    return parts
