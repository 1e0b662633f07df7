"""No setting of conf/ takes what it cannot use, be it ours, torch's or Lightning's: generated from every option."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from torch import nn

from hardlight import config
from hardlight.build import training
from hardlight.build.data import datamodule, describe_data
from hardlight.build.evaluation import attack_grids
from hardlight.build.model import defended_net, defense_stack
from hardlight.build.settings import check_settings
from hardlight.callbacks import Progress
from hardlight.defenses import DefendedNet, DefenseStack
from hardlight.errors import UserError

CONF = config.conf_folder()
LISTS = ("attack", "defense")
NEVER = [math.nan, math.inf, -math.inf, 10**30, 1e300, "abc", {"a": 1}]
NOT_NUMBERS = [True, [math.nan]]
UNTYPED = (
    "callbacks.recent.train_time_interval.minutes",  # Python's timedelta; it refuses most of it itself
    "trainer.strategy.broadcast_buffers",  # of torch's DDP, through a **kwargs of Lightning's
)


def build_data(cfg: DictConfig) -> None:
    datamodule(cfg, describe_data(cfg), DefenseStack())


def build_training(cfg: DictConfig) -> None:
    training.classifier(cfg, DefendedNet(nn.Linear(1, 1), DefenseStack()), {})


def build_trainer(cfg: DictConfig) -> None:
    check_settings(cfg)
    training.trainer(cfg, [Progress()], [])


BUILD: dict[str, Callable[[DictConfig], object]] = {
    "activation": lambda cfg: defended_net(cfg, DefenseStack()),
    "attack": attack_grids,
    "callbacks": training.callbacks,
    "data": build_data,
    "defense": defense_stack,
    "model": lambda cfg: defended_net(cfg, DefenseStack()),
    "optimizer": build_training,
    "scheduler": build_training,
    "trainer": build_trainer,
}


def options() -> Iterator[tuple[str, str, DictConfig]]:
    """Every option that this machine can build."""
    config.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for group, option in ((file.parent.name, file.stem) for file in sorted(CONF.glob("*/*.yaml"))):
            choice = f"{group}=[{option}]" if group in LISTS else f"{group}={option}"
            if group in BUILD:
                cfg = compose("train", [choice, "paths.output=out", "name=x"])
                OmegaConf.set_struct(cfg, False)
                try:
                    BUILD[group](cfg.copy())
                except UserError:  # it needs a file or a device that is not here
                    continue
                yield group, option, cfg


def numbers(node: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The settings that are numbers, or flags."""
    for key in node:
        value, name = node._get_node(key), f"{where}.{key}"
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_interpolation():
            yield from numbers(value, name)
        elif isinstance(node[key], int | float) and not str(key).startswith("_"):
            yield name, node[key]


FOUND = {
    key: (group, cfg, value)
    for group, _, cfg in options()
    if isinstance(cfg[group], DictConfig)
    for key, value in numbers(cfg[group], group)
    if key not in UNTYPED
}


def test_there_is_much_to_ask() -> None:
    assert {group for group, _, _ in FOUND.values()} >= set(BUILD) - {"activation"}
    assert len(FOUND) > 60


@pytest.mark.parametrize("key", FOUND)
def test_what_a_setting_cannot_use_is_refused(key: str) -> None:
    group, cfg, right = FOUND[key]
    for value in [*NEVER, *([] if isinstance(right, bool) else NOT_NUMBERS)]:
        wrong = cfg.copy()
        OmegaConf.update(wrong, key, value, merge=False)
        with pytest.raises(UserError, match=rf"\b{key.rpartition('.')[2]}\b") as told:
            BUILD[group](wrong)
        assert "\n" not in str(told.value)
