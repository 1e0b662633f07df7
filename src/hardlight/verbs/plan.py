"""What a run is about to do, before it does it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hardlight.classifier import parameters
from hardlight.data import DataModule
from hardlight.defenses import DefendedNet
from hardlight.evaluation.columns import ANY
from hardlight.evaluation.planned import Planned
from hardlight.verbs.shown import shown


def announce(
    cfg: DictConfig,
    data: DataModule,
    model: DefendedNet,
    attacks: Mapping[str, tuple[Planned, ...]],
    loggers: list[Any],
) -> None:
    """On rank 0: the folder with its ``config.yaml``, the plan on the terminal, the configuration to the loggers."""
    if getattr(rank_zero_only, "rank", 0) != 0:
        return
    folder = Path(cfg.paths.output)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    show(cfg, data, model, attacks)
    for logger in loggers:
        if isinstance(logger, CSVLogger):
            continue  # config.yaml lies beside its file
        logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))


def show(cfg: DictConfig, data: DataModule, model: DefendedNet, attacks: Mapping[str, tuple[Planned, ...]]) -> None:
    """Data, model, defenses, attacks, and where fit is to come the steps, device and folder."""
    sizes = data.sizes
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    shape = "×".join(map(str, cfg.data.shape))
    parts = [f"{sizes[part]:,} {word}" for part, word in _PARTS.items() if part in sizes]
    table.add_row("data", f"{cfg.data.name}: {', '.join(parts)} · {shape}, {cfg.data.num_classes} classes")
    table.add_row("model", f"{cfg.choices.model} · {cfg.choices.activation} · {parameters(model):,} parameters")
    for name, node in (cfg.defense or {}).items():
        table.add_row("defense", f"{name}: {_settings(node)}")
    if not cfg.defense:
        table.add_row("defense", "none")
    for name, grid in attacks.items():
        eps = [each for planned in grid for each in planned.eps if each != ANY]
        table.add_row("attack", f"{name} {grid[0].norm} at eps {', '.join(f'{each:.4g}' for each in eps)}")
    if cfg.metric:
        table.add_row("metric", ", ".join(map(str, cfg.metric)))
    if "train" in sizes:
        steps = _limited(-(-sizes["train"] // data.batch_size), cfg.trainer.limit_train_batches)
        ends = f"{cfg.trainer.max_steps} steps, {steps} an epoch"
        if cfg.trainer.max_steps == -1:
            ends = f"{_counted(cfg.trainer.max_epochs, 'epoch')} of {_counted(steps, 'step')}"
        table.add_row("training", f"{ends} · batches of {data.batch_size}")
    table.add_row("device", _device(cfg))
    console = Console(highlight=False)
    console.print(table)
    label = "folder".ljust(len("training" if "train" in sizes else "defense"))
    line = Text.assemble((label, "bold"), "  ", shown(Path(cfg.paths.output)))
    console.print(line, soft_wrap=True)  # a path that is broken cannot be pasted
    if data.missing_classes:
        missing = ", ".join(map(str, data.missing_classes))
        console.print(f"! the test images that are attacked hold none of class {missing}: raise evaluation.n")


_PARTS = {"train": "to train", "validation": "held out", "test": "to test"}


def _settings(node: Any) -> str:
    parts = []
    for key, value in node.items():
        if isinstance(value, DictConfig):
            parts.append(f"{key} {value.get('_target_', '').rpartition('.')[2]} ({_settings(value)})")
        elif key not in ("_target_", "label", "seed"):
            parts.append(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(parts)


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _limited(steps: int, limit: float | None) -> int:
    """Lightning's ``limit_train_batches``: a share of the steps, or their number."""
    if limit is None:
        return steps
    return int(steps * limit) if isinstance(limit, float) else min(steps, limit)


def _device(cfg: DictConfig) -> str:
    devices = cfg.trainer.devices
    if cfg.trainer.accelerator == "cpu":
        return f"cpu, {_counted(torch.get_num_threads(), 'thread')}" if devices == 1 else f"cpu, {devices} processes"
    return f"{cfg.trainer.accelerator} · devices {devices}"
