"""The data, checked to be there and to be read."""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from hardlight.build.crafting import crafting
from hardlight.build.nodes import made, sentence
from hardlight.build.settings import check_data
from hardlight.data import CropAndFlip, DataModule
from hardlight.defenses import DefenseStack
from hardlight.errors import UserError
from hardlight.metrics import SampleMetric


def describe_data(cfg: DictConfig) -> Any:
    """The data's source, checked to be there; fills in the shape and classes of a set that brings its own."""
    if cfg.data is None or cfg.data.source is None:
        raise UserError("data must be chosen: data=NAME")
    check_data(cfg.data)
    source = made(cfg.data.source, "data")
    try:
        source.check()
        if cfg.data.shape is None or cfg.data.num_classes is None:
            shape, num_classes = source.describe()
            cfg.data.shape = list(shape) if cfg.data.shape is None else cfg.data.shape
            cfg.data.num_classes = num_classes if cfg.data.num_classes is None else cfg.data.num_classes
    except ValueError as error:
        raise UserError(f"data: {sentence(error)}") from error
    return source


def datamodule(cfg: DictConfig, source: Any, stack: DefenseStack, *, n_test: int | None = None) -> DataModule:
    """The data module over ``source``."""
    settings = {key: cfg.data[key] for key in ("num_classes", "batch_size", "eval_batch_size", "validation")}
    augmented = {key: cfg.data[key] for key in ("crop", "flip") if key in cfg.data}  # points of the plane have neither
    try:
        return DataModule(
            source,
            shape=tuple(cfg.data.shape),
            seed=cfg.seed,
            augmentation=CropAndFlip(**augmented),
            defenses=crafting(cfg, stack),
            n_test=n_test,
            **settings,
        )
    except ValueError as error:
        raise UserError(f"data.{sentence(error)}") from error


def read_data(data: DataModule, stage: str, metrics: Sequence[SampleMetric] = ()) -> None:
    """Downloads and reads what ``stage`` and ``metrics`` need, now, so that faults show before anything is trained."""
    try:
        data.prepare_data()
        data.setup(stage)
        if any(metric.needs_train for metric in metrics):
            data.training_images()
    except ValueError as error:
        raise UserError(f"data: {sentence(error)}") from error
