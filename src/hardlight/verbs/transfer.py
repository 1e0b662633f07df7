"""``hardlight transfer``: images crafted on each of several nets, tested on all of them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import CSVLogger
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hardlight import checks
from hardlight.build import training
from hardlight.build.checkpoint import Restored
from hardlight.build.data import datamodule, describe_data, read_data
from hardlight.build.evaluation import attack_grids, check_model, evaluation_n, facts
from hardlight.build.fit import check_fit
from hardlight.build.named_nets import named_nets
from hardlight.build.nodes import checked
from hardlight.build.provenance import Provenance
from hardlight.build.settings import SEED_HIGH
from hardlight.build.statement import state
from hardlight.callbacks.progress import bar, working
from hardlight.callbacks.tracking import ended, log_transfer
from hardlight.data import DataModule
from hardlight.defenses import DefenseStack
from hardlight.errors import UserError
from hardlight.evaluation.crafted import CraftedError, craft, fingerprint, kept
from hardlight.evaluation.hashes import data_sha256
from hardlight.evaluation.planned import Planned
from hardlight.evaluation.records import AttackRun
from hardlight.evaluation.run_folder import write_records, write_samples
from hardlight.evaluation.transfer import Targets, transfer_records
from hardlight.reporting.transfer_figure import transfer_heat_maps
from hardlight.reporting.transfer_table import transfer_table
from hardlight.verbs.shown import shown

Plan = Mapping[str, tuple[Planned, ...]]


def run(cfg: DictConfig) -> pd.DataFrame:
    """The records of every net under images crafted on each; also written to the run's folder, as a table and drawn."""
    began = Provenance.now()
    checked("seed", checks.whole, cfg.seed, high=SEED_HIGH)
    device = _device(cfg.device)
    nets = named_nets(cfg)
    source = describe_data(cfg)
    for name, net in nets.items():
        check_fit(f"models.{name}={cfg.models[name]}", net.config.data, cfg.data)
    plan = {name: tuple(map(_exhaustive, grid)) for name, grid in attack_grids(cfg).items()}
    if not plan:
        raise UserError("transfer needs an attack to craft images with, as in 'attack=[fgsm]'")
    for net in nets.values():
        check_model(plan, net.model, cfg.data)
    n = evaluation_n(cfg, plan)
    assert not isinstance(n, dict)
    data = datamodule(cfg, source, DefenseStack(), n_test=n)
    folder = Path(cfg.paths.output)
    picture = folder / "figures" / "transfer.png"
    found: list[pd.DataFrame] = []
    loggers = [logger for logger in training.loggers(cfg) if not isinstance(logger, CSVLogger)]
    with ended(loggers, lambda logger: log_transfer(logger, found[0], picture)):
        read_data(data, "test")
        _announce(cfg, data, nets, plan)
        for logger in loggers:
            logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))
        samples, records = _crossed(cfg, data, nets, plan, device)
        write_samples(samples, folder)
        write_records(records, folder)
        files = {str(cfg.models[name]): net.model for name, net in nets.items()}
        page = state(cfg, began, data, files, records, samples, device)
        transfer_heat_maps(records, picture)
        found.append(records)
    console = Console(highlight=False, markup=False)
    console.print(transfer_table(records))
    for path in filter(None, (folder / "records.csv", folder / "samples.parquet", page, picture)):
        console.print(f"  {shown(path)}", soft_wrap=True)
    console.print(f"  {shown(Path(cfg.crafted))}  crafted sets, used again by crafted=FOLDER", soft_wrap=True)
    return records


def _device(name: str) -> torch.device:
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name}: torch cannot use it on this machine; device=cpu always works") from error


def _exhaustive(planned: Planned) -> Planned:
    return replace(planned, attack=planned.attack.exhaustive())


def _announce(cfg: DictConfig, data: DataModule, nets: Mapping[str, Restored], plan: Plan) -> None:
    folder = Path(cfg.paths.output)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        Path(cfg.crafted).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"crafted={cfg.crafted} cannot be made: {error.strerror}") from error
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("data", f"{cfg.data.name}: {data.sizes['test']:,} to test")
    for name in nets:
        its = _facts(cfg, nets[name])
        table.add_row("net", f"{name}: {its['model']} · {its['activation']} · {its['defense']}")
    sets = len(nets) * sum(map(len, plan.values()))
    table.add_row("sets", f"{sets} to craft or find, {sets * len(nets)} to test: {', '.join(plan)}")
    console = Console(highlight=False)
    console.print(table)
    console.print(Text.assemble(("folder", "bold"), "  ", shown(folder)), soft_wrap=True)


def _crossed(
    cfg: DictConfig, data: DataModule, nets: Mapping[str, Restored], plan: Plan, device: torch.device
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples and records; each set is crafted once, or found where it was kept."""
    batches = data.test_dataloader()
    digest = data_sha256(batches.data)
    targets = Targets({name: net.model.to(device) for name, net in nets.items()}, batches, device)
    frames = list(targets.clean_rows())
    ran: dict[str, dict[tuple[str, float], AttackRun]] = {source: {} for source in nets}
    with bar() as progress:
        images = len(batches.data)
        work = sum(planned.attack.work for grid in plan.values() for planned in grid) * images
        task = progress.add_task("crafting", total=work * len(nets))
        for source, net in nets.items():
            for name, planned in ((name, planned) for name, grid in plan.items() for planned in grid):
                progress.update(task, description=f"crafting · {name} on {source}")
                path = _home(cfg, source, name, planned, digest)
                try:
                    with working(progress, task, planned.attack.work * images) as watch:
                        made = kept(path, partial(craft, planned.attack, net.model, batches, device, watch))
                except CraftedError as error:
                    raise UserError(str(error)) from error
                frames += targets.rows(source, name, planned, made)
                label = str(planned.attack.label)
                run = AttackRun(settings=planned.settings, label=label, seconds=made.seconds)
                ran[source] |= {(name, eps): run for eps in planned.eps}
    samples = pd.concat(frames, ignore_index=True)
    return samples, transfer_records(samples, {name: _facts(cfg, net) for name, net in nets.items()}, ran)


def _home(cfg: DictConfig, source: str, name: str, planned: Planned, digest: str) -> Path:
    """Where a set lies, or is to lie: found by its fingerprint, whatever the net and the attack were called."""
    mark = fingerprint(Path(str(cfg.models[source])), planned.attack, digest)
    size = f"-{planned.eps[0]:g}" if len(planned.eps) == 1 else ""
    folder = Path(cfg.crafted)
    return next(folder.glob(f"*-{mark}.safetensors"), folder / f"{source}-{name}{size}-{mark}.safetensors")


def _facts(cfg: DictConfig, net: Restored) -> dict[str, Any]:
    theirs = {"choices": net.config.choices, "defense": net.config.defense}
    return facts(OmegaConf.create({"data": cfg.data, **theirs}))
