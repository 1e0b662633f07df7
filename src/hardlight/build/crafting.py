"""The static defenses of a run: their source loaded, the crafting watched, its copies kept in the run's folder."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from omegaconf import DictConfig, ListConfig
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hardlight.build.checkpoint import restore
from hardlight.build.fit import check_fit
from hardlight.callbacks.progress import bar
from hardlight.data import ImageSet
from hardlight.defenses import CraftedCopies, Defense, DefenseStack
from hardlight.errors import UserError
from hardlight.evaluation.hashes import data_sha256
from hardlight.evaluation.run_folder import write_whole


def crafting(cfg: DictConfig, stack: DefenseStack) -> DefenseStack:
    """``stack`` with its static defenses ready to extend the training set. Raises ``UserError`` for an unfit source."""
    if not any(isinstance(each, CraftedCopies) for each in stack):
        return stack
    named = zip(cfg.defense, stack, strict=True)
    return DefenseStack(
        tuple(_ready(cfg, str(name), each) if isinstance(each, CraftedCopies) else each for name, each in named)
    )


@dataclass(frozen=True)
class Crafting(Defense):
    """A static defense whose copies are crafted once a run; one that goes on finds them again in ``file``.

    They are used only if made from the same training set, settings and source: ``made_from`` holds what is known of
    these beforehand. Where the source is gone, ``defense`` still holds its path.
    """

    name: str
    defense: CraftedCopies
    file: Path
    made_from: Mapping[str, str]
    console: Console

    def extend(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        made_from = {**self.made_from, "data": data_sha256(ImageSet(x, y, torch.arange(len(y))))}
        first = getattr(rank_zero_only, "rank", 0) == 0
        console = self.console if first else Console(quiet=True)
        if _kept(self.file) == made_from:
            with safe_open(self.file, "pt") as kept:
                x_adv = kept.get_tensor("x_adv")
            console.print(f"{self.name}: {len(x):,} copies found in {self.file}", soft_wrap=True)
        elif isinstance(self.defense.source, str):
            raise UserError(
                f"defense.{self.name}.source: no checkpoint at {self.defense.source}, and the copies in {self.file} "
                "were made from other training data"
            )
        else:
            x_adv = self._crafted(x, y, console)
            if first:
                write_whole(self.file, lambda part: save_file({"x_adv": x_adv}, part, metadata=made_from))
                console.print(f"{self.name}: {len(x):,} copies crafted on {made_from['source']}", soft_wrap=True)
        return torch.cat([x, x_adv]), torch.cat([y, y])

    def _crafted(self, x: Tensor, y: Tensor, console: Console) -> Tensor:
        parts = []
        with bar(console) as progress:
            task = progress.add_task(f"crafting {self.name}", total=len(x))
            for part in self.defense.copies(x, y):
                parts.append(part)
                progress.advance(task, len(part))
        return torch.cat(parts)


def _ready(cfg: DictConfig, name: str, defense: CraftedCopies) -> Crafting:
    path = Path(str(defense.source)).absolute()
    file = Path(cfg.paths.output) / f"{name}.safetensors"
    console = Console(highlight=False, markup=False, quiet=not cfg.trainer.enable_progress_bar)
    settings = repr(replace(defense, source="source"))
    made_from = {key: value for key, value in _kept(file).items() if key != "data"}
    if path.is_file() or made_from.get("source") != str(path) or made_from.get("settings") != settings:
        try:
            source = restore(path, cfg.trust)
            check_fit(str(path), source.config.data, cfg.data)
        except UserError as error:
            raise UserError(f"defense.{name}.source: {error}") from error
        if source.config.defense:
            worn = "+".join(map(str, source.config.defense))
            raise UserError(f"defense.{name}.source must be an undefended net, but {path} wears {worn}")
        defense = replace(defense, source=source.model.to(_device(cfg)))
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        made_from = {"settings": settings, "source": str(path), "source_sha256": digest}
    return Crafting(name, defense, file, made_from, console)


def _kept(file: Path) -> dict[str, str]:
    """What the copies in a file were made from; nothing where there is no such file, or a damaged one."""
    try:
        with safe_open(file, "pt") as kept:
            return dict(kept.metadata() or {})
    except (OSError, SafetensorError):
        return {}


def _device(cfg: DictConfig) -> torch.device:
    """Where this process of the run trains."""
    accelerator, devices = cfg.trainer.accelerator, cfg.trainer.devices
    if accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available()):
        rank = int(os.environ.get("LOCAL_RANK", "0"))
        return torch.device("cuda", devices[rank] if isinstance(devices, ListConfig) else rank)
    return torch.device("cpu")
