"""A trained net out of its file, without running any code but what is trusted."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from hardlight import checks, config
from hardlight.build.model import defended_net, defense_stack
from hardlight.build.nodes import resolved, sentence
from hardlight.defenses import DefendedNet
from hardlight.errors import UserError


def load(path: str | Path, trust: Sequence[str] = ()) -> DefendedNet:
    """The trained net of a checkpoint: a plain callable from pixels (N, C, H, W) in [0, 1] to logits (N, K).

    ``trust`` names packages of yours whose code the checkpoint may call. Raises ``hardlight.UserError``.
    """
    return restore(path, trust).model


@dataclass(frozen=True)
class Restored:
    """A trained net from a checkpoint, and the configuration that made it."""

    model: DefendedNet
    config: DictConfig


def restore(path: str | Path, trust: Sequence[str] = ()) -> Restored:
    """The net and defenses of a checkpoint with its weights, in eval mode.

    Only classes of hardlight's and torch's nets are built, and code of the packages named in ``trust``.
    Raises ``UserError``.
    """
    checkpoint = read_checkpoint(path)
    config.register()
    try:
        cfg = OmegaConf.create(checkpoint["hardlight"]["config"])
        for part in ("model", "activation", "defense"):
            cfg[part] = trusted(cfg[part], part, trust)
        if "weights" in cfg.model:
            cfg.model.weights = None  # the checkpoint's own follow
        model = defended_net(cfg, defense_stack(cfg))
        weights = {
            key.removeprefix("model."): value
            for key, value in checkpoint["state_dict"].items()
            if key.startswith("model.")
        }
        model.load_state_dict(weights)
        for key in ("model", "activation", "seed"):
            if key not in cfg.choices:
                raise UserError(f"its configuration does not say choices.{key}")
        if not all(value.isfinite().all() for value in weights.values()):
            raise UserError("its weights hold NaN or infinite numbers: nothing can be learnt from attacking it")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (RuntimeError, TypeError, AttributeError, OmegaConfBaseException) as error:
        raise UserError(f"{path} does not hold the weights of the net it names: {sentence(error)}") from error
    return Restored(model.eval(), cfg)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint of ours, read without running any code in it. Raises ``UserError`` if it is not one."""
    file = Path(path)
    if not file.is_file():
        near = sorted(file.parent.glob("*.ckpt")) if file.parent.is_dir() else []
        close = checks.nearest(file.name, [each.name for each in near])
        meant = file / "best.ckpt" if (file / "best.ckpt").is_file() else file.parent / close if close else None
        hint = f"; did you mean {meant}?" if meant else ""
        raise UserError(f"no checkpoint at {file}{hint}")
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken or foreign file makes torch raise
        raise UserError(f"{file} is no checkpoint, or a damaged one") from error
    ours = checkpoint.get("hardlight") if isinstance(checkpoint, dict) else None
    if not isinstance(ours, dict) or "config" not in ours or "state_dict" not in checkpoint:
        raise UserError(
            f"{file} was not written by hardlight train; for another program's weights use "
            "model=python model.path=your.module:make model.weights=FILE"
        )
    return dict(checkpoint)


NETS = ("hardlight.nets", "hardlight.defenses", "hardlight.attacks", "hardlight.data")


def trusted(node: Any, where: str, trust: Sequence[str], modules: Sequence[str] = NETS) -> Any:
    """``node`` as a plain container, shown to call nothing but the public names of ``modules``, torch's activations
    and what is in the packages named in ``trust``.
    """
    plain = resolved(node, where)  # what is checked is what is built
    for code in _code(plain):
        named = any(code == each or code.startswith((f"{each}.", f"{each}:")) for each in trust)
        if not (named or _is_public(code, modules)):
            package = code.replace(":", ".").partition(".")[0]
            raise UserError(f"it wants to run code of yours, {code}; if you trust it, add 'trust=[{package}]'")
    return plain


def _code(node: Any) -> Iterator[str]:
    """Everything that a plain container would call; an interpolation that is left could become anything."""
    if isinstance(node, Mapping):
        target = str(node.get("_target_", ""))
        if target:
            yield target
        if target.endswith(".python_net"):
            yield str(node.get("path"))
        for value in node.values():
            yield from _code(value)
    elif isinstance(node, list):
        for value in node:
            yield from _code(value)
    elif isinstance(node, str) and "${" in node:
        yield node


def _is_public(code: str, modules: Sequence[str]) -> bool:
    """A single public name of ``modules``, or a torch activation; a path of python_net, with its colon, never is."""
    prefix, _, name = code.rpartition(".")
    public = prefix in modules and name in _public(prefix)
    return public or (prefix == "torch.nn" and name in vars(nn.modules.activation)["__all__"])


def _public(module: str) -> list[str]:
    return list(importlib.import_module(module).__all__)
