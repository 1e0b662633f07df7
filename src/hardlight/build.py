"""Configuration to objects; a setting that cannot be is told here, before data is read or a process launched."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from hardlight import __version__, checks
from hardlight.attacks import FGSM, FixedBudget
from hardlight.classifier import Classifier
from hardlight.data import DataModule
from hardlight.defenses import DefendedNet, Defense, DefenseStack
from hardlight.errors import UserError


def made(node: Any, where: str, **more: Any) -> Any:
    """The object that ``node`` describes; what its constructor refuses becomes a sentence beginning with ``where``."""
    try:
        return instantiate(node, _convert_="all", **more)
    except InstantiationException as error:
        reason = error.__cause__ or error
        raise UserError(f"{where}: {_sentence(reason)}") from error
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {_sentence(error)}") from error


def resolved(node: Any, where: str) -> Any:
    """A plain container, its interpolations replaced by what they stand for."""
    try:
        return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {_sentence(error)}") from error


def _sentence(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def defense_stack(cfg: DictConfig) -> DefenseStack:
    """The defenses in the order given."""
    found = {name: made(node, f"defense.{name}") for name, node in (cfg.defense or {}).items()}
    for name, defense in found.items():
        if not isinstance(defense, Defense):
            raise UserError(f"defense.{name} must make a defense, got {type(defense).__name__}")
    return DefenseStack(tuple(found.values()))


def attacks(cfg: DictConfig) -> dict[str, tuple[FixedBudget, ...]]:
    """Each attack of the group, at each of its ``eps``."""
    found = {}
    for name, node in (cfg.attack or {}).items():
        try:
            eps = node.eps
        except OmegaConfBaseException as error:
            raise UserError(f"attack.{name}: no eps for norm {node.get('norm')!r}: {_sentence(error)}") from error
        grid = list(eps) if isinstance(eps, ListConfig) else [eps]
        if not grid:
            raise UserError(f"attack.{name}.eps must hold at least one number")
        if len(set(grid)) < len(grid):
            raise UserError(f"attack.{name}.eps must not hold a number twice, got {grid}")
        settings = resolved(node, f"attack.{name}")
        found[str(name)] = tuple(made({**settings, "eps": value}, f"attack.{name}") for value in grid)
    return found


def describe_data(cfg: DictConfig) -> Any:
    """The data's source, checked to be there; fills in the shape and classes of a set that brings its own."""
    if cfg.data is None:
        raise UserError("data must be chosen: data=NAME")
    source = made(cfg.data.source, "data")
    try:
        source.check()
        if cfg.data.shape is None or cfg.data.num_classes is None:
            shape, num_classes = source.describe()
            cfg.data.shape = cfg.data.shape or list(shape)
            cfg.data.num_classes = cfg.data.num_classes or num_classes
    except ValueError as error:
        raise UserError(f"data: {_sentence(error)}") from error
    return source


def datamodule(cfg: DictConfig, source: Any, stack: DefenseStack, *, n_test: int | None = None) -> DataModule:
    """The data module over ``source``."""
    settings = {key: cfg.data[key] for key in ("num_classes", "batch_size", "eval_batch_size", "validation")}
    try:
        return DataModule(source, shape=tuple(cfg.data.shape), seed=cfg.seed, defenses=stack, n_test=n_test, **settings)
    except ValueError as error:
        raise UserError(f"data.{_sentence(error)}") from error


def read(data: DataModule, stage: str) -> None:
    """Downloads and reads what ``stage`` needs, now, so that faults show before anything is trained."""
    try:
        data.prepare_data()
        data.setup(stage)
    except ValueError as error:
        raise UserError(f"data: {_sentence(error)}") from error


def defended_net(cfg: DictConfig, stack: DefenseStack) -> DefendedNet:
    """The net behind its defenses, shown to fit the data by one forward pass."""
    if cfg.model is None:
        raise UserError("model must be chosen: model=NAME")
    net = made(cfg.model, "model")
    if not isinstance(net, nn.Module):
        raise UserError(f"model must make an nn.Module, got {type(net).__name__}")
    model = DefendedNet(net, stack)
    shape, num_classes = tuple(cfg.data.shape), cfg.data.num_classes
    model.eval()
    try:
        with torch.no_grad():
            logits = model(torch.zeros(1, *shape))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise UserError(f"model does not take the data's images of shape {list(shape)}: {_sentence(error)}") from error
    finally:
        model.train()
    if tuple(logits.shape) != (1, num_classes):
        raise UserError(f"model must give logits of shape (N, {num_classes}) for this data, got {tuple(logits.shape)}")
    return model


def classifier(cfg: DictConfig, model: DefendedNet, config: dict[str, Any]) -> Classifier:
    """The net ready to be trained; ``config`` goes into its checkpoints."""
    if cfg.chunk != "auto":
        _checked("chunk", checks.whole, cfg.chunk, low=1)
    optimizer = _made_for_later(cfg.optimizer, "optimizer", [nn.Parameter(torch.zeros(1))])
    scheduler = None
    if cfg.scheduler is not None:
        for key in ("T_max", "step_size"):
            if key in cfg.scheduler:
                _checked(f"scheduler.{key}", checks.whole, cfg.scheduler[key], low=1)
        scheduler = _made_for_later(cfg.scheduler, "scheduler", optimizer([nn.Parameter(torch.zeros(1))]))
    attack = FGSM(eps=cfg.data.train_eps)
    return Classifier(
        model,
        cfg.data.num_classes,
        optimizer=optimizer,
        scheduler=scheduler,
        attack=attack,
        config=config,
        chunk=cfg.chunk,
    )


def _made_for_later(node: DictConfig, where: str, trial: Any) -> Any:
    """A partial of torch's, tried once on ``trial`` so that its mistakes come out now."""
    for key, value in node.items():
        if key == "_target_":
            continue
        for number in value if isinstance(value, ListConfig) else [value]:
            if isinstance(number, str) or (isinstance(number, float) and not math.isfinite(number)):
                raise UserError(f"{where}.{key!s} must be a finite number, got {number!r}")
    partial = made(node, where)
    try:
        partial(trial)
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: {_sentence(error)}") from error
    return partial


def evaluation_n(cfg: DictConfig, names: Mapping[str, Any]) -> int | dict[str, int] | None:
    """``evaluation.n``: how many test images, in all or for each attack."""
    n = cfg.evaluation.n
    if isinstance(n, DictConfig):
        for name, value in n.items():
            _checked("evaluation.n", checks.one_of, str(name), choices=list(names))
            _checked(f"evaluation.n.{name!s}", checks.whole, value, low=1)
        return {str(name): value for name, value in n.items()}
    if n is not None:
        _checked("evaluation.n", checks.whole, n, low=1)
    return n  # type: ignore[no-any-return]


def _checked(field: str, check: Any, value: Any, **how: Any) -> None:
    try:
        check(field, value, **how)
    except ValueError as error:
        raise UserError(str(error)) from error


def facts(cfg: DictConfig) -> dict[str, Any]:
    """The columns of the records that name a run."""
    return {
        "data": cfg.data.name,
        "model": cfg.choices.model,
        "activation": cfg.choices.activation,
        "defense": "+".join(map(str, cfg.defense or {})) or "none",
        "seed": cfg.choices.seed,
        "form": "sound",
        "version": __version__,
    }


def callbacks(cfg: DictConfig) -> dict[str, pl.Callback]:
    """Lightning's and our callbacks, by name."""
    nodes = {str(name): node for name, node in (cfg.callbacks or {}).items() if node is not None}
    if not cfg.trainer.enable_progress_bar:
        nodes.pop("progress", None)  # Lightning refuses a bar that it is told to leave out
    return {name: made(node, f"callbacks.{name}") for name, node in nodes.items()}


def loggers(cfg: DictConfig) -> list[Any]:
    """The loggers chosen, the CSV always among them."""
    return [made(node, f"logger.{name}") for name, node in (cfg.logger or {}).items() if node is not None]


def check_devices(cfg: DictConfig) -> None:
    """A GPU that is asked for must be there; the other numbers a trainer takes must be numbers."""
    trainer = cfg.trainer
    if trainer.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError("trainer asks for a GPU, but torch sees none on this machine: use trainer=cpu")
    for key in ("max_epochs", "max_steps"):
        value = trainer[key]
        if value is not None and value != -1:
            _checked(f"trainer.{key}", checks.whole, value)


def trainer(cfg: DictConfig, found: list[pl.Callback], loggers: list[Any], **more: Any) -> pl.Trainer:
    """Lightning's Trainer."""
    built: pl.Trainer = made(cfg.trainer, "trainer", callbacks=found, logger=loggers or False, **more)
    return built


@dataclass(frozen=True)
class Restored:
    """A trained net from a checkpoint, and the configuration that made it."""

    model: DefendedNet
    config: DictConfig


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint of ours, read without running any code in it. Raises ``UserError`` if it is not one."""
    file = Path(path)
    if not file.is_file():
        near = sorted(file.parent.glob("*.ckpt")) if file.parent.is_dir() else []
        close = checks.nearest(file.name, [each.name for each in near])
        hint = f"; did you mean {file.parent / close}?" if close else ""
        raise UserError(f"no checkpoint at {file}{hint}")
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken or foreign file makes torch raise
        raise UserError(f"{file} cannot be read as a checkpoint: {_sentence(error)}") from error
    ours = checkpoint.get("hardlight") if isinstance(checkpoint, dict) else None
    if not isinstance(ours, dict) or "config" not in ours or "state_dict" not in checkpoint:
        raise UserError(
            f"{file} was not written by hardlight train; for another program's weights use "
            "model=python model.path=your.module:make model.weights=FILE"
        )
    return dict(checkpoint)


def restore(path: str | Path, trust: Sequence[str] = ()) -> Restored:
    """The net and defenses of a checkpoint with its weights, in eval mode.

    Only classes of hardlight's and torch's nets are built, and code of the packages named in ``trust``.
    Raises ``UserError``.
    """
    checkpoint = read_checkpoint(path)
    from hardlight import config

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
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (RuntimeError, TypeError, AttributeError, OmegaConfBaseException) as error:
        raise UserError(f"{path} does not hold the weights of the net it names: {_sentence(error)}") from error
    return Restored(model.eval(), cfg)


OURS = ("hardlight.nets.", "hardlight.defenses.", "hardlight.attacks.", "hardlight.data.")


def trusted(node: Any, where: str, trust: Sequence[str]) -> Any:
    """``node`` as a plain container, shown to call no code but ours and that of the packages named in ``trust``."""
    plain = resolved(node, where)  # what is checked is what is built
    for code in _code(plain):
        if not (_is_ours(code) or any(code == each or code.startswith((f"{each}.", f"{each}:")) for each in trust)):
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


def _is_ours(code: str) -> bool:
    """A single public name of ours, or one of torch's activations; a path of python_net, with its colon, never is."""
    prefix, _, name = code.rpartition(".")
    ours = f"{prefix}." in OURS and not name.startswith("_") and name in _public(prefix)
    return ours or (prefix == "torch.nn" and name in vars(nn.modules.activation)["__all__"])


def _public(module: str) -> list[str]:
    import importlib

    return list(importlib.import_module(module).__all__)


def load(path: str | Path, trust: Sequence[str] = ()) -> DefendedNet:
    """The trained net of a checkpoint: a plain callable from pixels (N, C, H, W) in [0, 1] to logits (N, K).

    ``trust`` names packages of yours whose code the checkpoint may call. Raises ``hardlight.UserError``.
    """
    return restore(path, trust).model
