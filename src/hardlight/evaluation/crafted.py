"""Adversarial images that are crafted once and kept, to be shown to many nets."""

import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hardlight import __version__
from hardlight.attacks import Attack
from hardlight.attacks.queries import Model, Watch
from hardlight.data import Batch
from hardlight.evaluation.run_folder import write_whole


class CraftedError(ValueError):
    """A file that should hold a crafted set and does not."""


class Crafted(NamedTuple):
    """What an attack made of all images, (N, C, H, W) on the CPU, and what it cost: passes of each sample, (N,)."""

    x_adv: Tensor
    forward_passes: Tensor
    backward_passes: Tensor
    seconds: float


def craft(
    attack: Attack, model: Model, batches: Iterable[Batch], device: torch.device, watch: Watch | None = None
) -> Crafted:
    """``attack`` on every batch; ``watch`` is told of every forward pass."""
    parts = []
    start = time.perf_counter()
    for batch in batches:
        x, y, index = (part.to(device) for part in batch)
        outcome = attack.run(model, x, y, index=index, watch=watch)
        parts.append([part.cpu() for part in (outcome.x_adv, outcome.forward_passes, outcome.backward_passes)])
    x_adv, forward_passes, backward_passes = (torch.cat(each) for each in zip(*parts, strict=True))
    return Crafted(x_adv, forward_passes, backward_passes, time.perf_counter() - start)


def kept(path: Path, make: Callable[[], Crafted]) -> Crafted:
    """The set at ``path``; where there is none, the one that is made, written there whole or not at all.

    Raises ``CraftedError`` for a file that is damaged.
    """
    names = Crafted._fields[:3]
    if path.is_file():
        try:
            with safe_open(path, "pt") as file:
                x_adv, forward_passes, backward_passes = map(file.get_tensor, names)
                return Crafted(x_adv, forward_passes, backward_passes, float(file.metadata()["seconds"]))
        except (SafetensorError, KeyError, TypeError) as error:
            raise CraftedError(f"{path} is damaged, or none of ours: delete it or choose another folder") from error
    made = make()
    tensors = {name: part.contiguous() for name, part in zip(names, made[:3], strict=True)}
    write_whole(path, lambda temporary: save_file(tensors, temporary, {"seconds": str(made.seconds)}))
    return made


def fingerprint(checkpoint: Path, attack: Attack, data: str) -> str:
    """Of all that a set depends on: the net's file, the attack's settings, the images' hash, this program's version."""
    with checkpoint.open("rb") as file:
        net = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256("\n".join([net, repr(attack), data, __version__]).encode()).hexdigest()[:16]
