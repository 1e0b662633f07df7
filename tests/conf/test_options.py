"""Every option of every group composes, builds what it names, and holds exactly the settings of that."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from hardlight import config
from hardlight.attacks import Attack, MinimalNorm
from hardlight.build import training
from hardlight.build.evaluation import attack_grids
from hardlight.classifier import takes_total_steps
from hardlight.cli import main
from hardlight.defenses import Defense
from hardlight.evaluation.columns import ANY

CONF = config.conf_folder()
OPTIONS = sorted((file.parent.name, file.stem) for file in CONF.glob("*/*.yaml") if file.parent.name != "hydra")
LISTS = ("defense", "attack", "logger")
KINDS: dict[str, type] = {
    "activation": nn.Module,
    "attack": Attack,
    "defense": Defense,
    "model": nn.Module,
    "optimizer": torch.optim.Optimizer,
    "scheduler": torch.optim.lr_scheduler.LRScheduler,
    "trainer": pl.Trainer,
}
GIVEN = {  # what an option cannot do without
    "callbacks=eps_warmup": ["defense=[at]"],
    "data=npz": ["data.source.train=train.npz", "data.source.test=test.npz"],
    "data=image_folder": ["data.source.train=train", "data.source.test=test"],
    "defense=[at_static]": ["defense.at_static.source=source.ckpt"],
    "defense=[vat_static]": ["defense.vat_static.source=source.ckpt"],
    "model=python": ["model.path=torch.nn:Identity"],
    "logger=[wandb]": ["logger.wandb.sweep=sweep"],
}


def chosen(group: str, option: str, verb: str = "train") -> DictConfig:
    config.register()
    choice = f"{group}=[{option}]" if group in LISTS else f"{group}={option}"
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(verb, [choice, *GIVEN.get(choice, []), "paths.output=out", "name=test"])


def node(cfg: DictConfig, group: str, option: str) -> Any:
    return cfg[group][option] if group in LISTS else cfg[group]


def named(found: Any) -> Iterator[DictConfig]:
    """Every node, at any depth, that names what it builds."""
    if isinstance(found, DictConfig):
        if "_target_" in found:
            yield found
        for key in found:
            yield from named(found._get_node(key))


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_it_composes_and_every_value_resolves(group: str, option: str) -> None:
    cfg = chosen(group, option)
    OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    if f"- {group}:" in (CONF / "evaluate.yaml").read_text():
        chosen(group, option, "evaluate")


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_its_keys_are_the_parameters(group: str, option: str) -> None:
    for found in named(node(chosen(group, option), group, option)):
        keys = {str(key) for key in found if key not in ("_target_", "_partial_")}
        target = found._target_
        if target.startswith("hardlight."):
            if inspect.isclass(get_object(target)) and issubclass(get_object(target), MinimalNorm):
                keys.remove("eps")  # where its accuracy is reported
            assert keys == set(inspect.signature(get_object(target)).parameters)
        elif target == "pytorch_lightning.Trainer":
            assert keys == set(inspect.signature(pl.Trainer).parameters) - {"logger", "callbacks"}
        elif found.get("_partial_"):
            assert keys <= set(inspect.signature(get_object(target)).parameters)


@pytest.mark.parametrize(("group", "option"), [pair for pair in OPTIONS if pair[0] in KINDS])
def test_it_builds_its_kind(group: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = chosen(group, option)
    weight = nn.Parameter(torch.zeros(1))
    if group == "trainer" and cfg.trainer.accelerator == "gpu" and not torch.cuda.is_available():
        assert main(["train", f"trainer={option}"]) == 2
        assert "use trainer=cpu" in capsys.readouterr().err
        return
    if group == "attack":
        grid = [planned for several in attack_grids(cfg).values() for planned in several]
        made = [planned.attack for planned in grid]
        reported = [eps for planned in grid for eps in planned.eps if eps != ANY]
        assert reported == cfg.data.eval_eps[cfg.attack[option].norm]
    elif group == "optimizer":
        made = [instantiate(cfg.optimizer, _convert_="all")([weight])]
    elif group == "scheduler":
        make, optimizer = instantiate(cfg.scheduler), torch.optim.SGD([weight], lr=1.0)
        steps = {"total_steps": 10} if make and takes_total_steps(make) else {}
        made = [make(optimizer, **steps)] if make else []
    elif group == "activation":
        made = [instantiate(cfg.activation)()]
    else:
        made = [instantiate(node(cfg, group, option), _convert_="all")]
    assert all(isinstance(each, KINDS[group]) for each in made)


@pytest.mark.parametrize("option", [option for group, option in OPTIONS if group == "data"])
def test_a_data_set_has_a_source(option: str) -> None:
    source = instantiate(chosen("data", option).data.source)
    assert all(callable(getattr(source, name)) for name in ("check", "prepare", "describe", "read"))


def test_callbacks_and_loggers_are_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for group, option in [pair for pair in OPTIONS if pair[0] in ("callbacks", "logger")]:
        cfg = chosen(group, option)
        if group == "callbacks":
            assert all(isinstance(each, pl.Callback) for each in training.callbacks(cfg).values())
        if group == "logger":
            made = training.loggers(cfg)
            assert made
            assert all(isinstance(each, pl.loggers.Logger) for each in made)


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: str(file.relative_to(CONF)))
def test_a_file_says_what_it_is_for(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert any("# " in line and "@package" not in line for line in lines) or any("_target_: " in line for line in lines)
