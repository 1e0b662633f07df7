"""The typed top level of every verb's configuration, and the resolvers that conf/ uses. Imports no torch."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf


@dataclass
class Evaluation:
    """How the test set is attacked: ``n`` images (or {attack: n}), of which ``gallery`` are drawn."""

    n: Any = None
    gallery: int = 6


@dataclass
class Verb:
    """What every verb that attacks has; Any where a group's own constructors check what is in it."""

    data: Any = None
    model: Any = None
    activation: Any = None
    defense: Any = field(default_factory=dict)
    attack: Any = field(default_factory=dict)
    metric: Any = field(default_factory=dict)
    trainer: Any = None
    logger: Any = field(default_factory=dict)
    paths: Any = None
    debug: Any = None
    evaluation: Evaluation = field(default_factory=Evaluation)
    seed: int = 0
    chunk: Any = "auto"
    name: str = ""
    choices: Any = field(default_factory=dict)


@dataclass
class Train(Verb):
    """``hardlight train``."""

    optimizer: Any = None
    scheduler: Any = None
    callbacks: Any = field(default_factory=dict)
    experiment: Any = None
    ckpt: str | None = None
    trust: list[str] = field(default_factory=list)


@dataclass
class Evaluate(Verb):
    """``hardlight evaluate``."""

    ckpt: str | None = None
    source: str | None = None
    trust: list[str] = field(default_factory=list)
    resume: str | None = None


@dataclass
class Images:
    """How many test images; null for all."""

    n: int | None = None


@dataclass
class Transfer:
    """``hardlight transfer``."""

    models: Any = None
    data: Any = None
    attack: Any = field(default_factory=dict)
    logger: Any = field(default_factory=dict)
    paths: Any = None
    evaluation: Images = field(default_factory=Images)
    trust: list[str] = field(default_factory=list)
    crafted: str = ""
    device: str = "cpu"
    seed: int = 0
    name: str = ""


@dataclass
class Compare:
    """``hardlight compare``."""

    runs: list[str] = field(default_factory=list)
    paths: Any = None
    name: str = ""


SCHEMAS: dict[str, type[Any]] = {"train": Train, "evaluate": Evaluate, "transfer": Transfer, "compare": Compare}


def conf_folder() -> Path:
    """The wheel's own conf/, or the checkout's when installed editable from it; never the current folder's."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


def slug(text: Any) -> str:
    """``text`` (a list is joined by +) in letters, digits, ``. _ + -`` alone, so that it can be pasted anywhere."""
    if isinstance(text, list | tuple | ListConfig):
        text = "+".join(map(str, text))
    text = re.sub(r"[^A-Za-z0-9._+]+", "-", str(text))
    return re.sub(r"-*\+-*", "+", text).strip("-+")[:80].strip("-+")


class Launch:
    """What one call of the program fixes for all of its jobs: the verb, its overrides, and the folder it writes to."""

    verb = ""
    resumed: Path | None = None
    overrides: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    folders: ClassVar[dict[tuple[str, str], str]] = {}

    @classmethod
    def start(cls, verb: str, overrides: list[str], flags: list[str], resumed: Path | None = None) -> None:
        cls.verb, cls.overrides, cls.flags, cls.folders = verb, tuple(overrides), tuple(flags), {}
        cls.resumed = resumed


def run_name() -> str:
    """The folder's name: the overrides that change the result."""
    quiet = (
        "hydra.",
        "paths.",
        "trainer.",
        "logger",
        "trust",
        "name=",
        "ckpt=",
        "source=",
        "data.source",
        "runs=",
        "resume=",
        "models=",
        "crafted=",
        "device=",
    )
    parts = [part.lstrip("+~") for part in Launch.overrides]
    told = [part for part in parts if not part.startswith(quiet) and ".source=" not in part]
    return slug(told) or Launch.verb


def job_name(overrides: ListConfig) -> str:
    """A sweep's job: those of its overrides that were swept over."""
    swept = [part for part in overrides if part not in Launch.overrides]
    return slug([part.removeprefix("experiment=").replace("=[]", "=none") for part in swept])


def run_folder(outputs: str, name: str) -> str:
    """outputs/name/time, the same for all that one call asks, and one that exists only to go on in it."""
    if Launch.resumed is not None:
        return str(Launch.resumed)
    if (outputs, name) not in Launch.folders:
        stem = Path(outputs) / slug(name) / time.strftime("%Y-%m-%d_%H-%M-%S")
        folder, again = stem, 1
        while folder.exists():
            again += 1
            folder = stem.with_name(f"{stem.name}-{again}")
        Launch.folders[outputs, name] = str(folder)
    return Launch.folders[outputs, name]


def data_folder() -> str:
    """Where data sets live: HARDLIGHT_DATA, else a cache folder in the user's home."""
    return os.environ.get("HARDLIGHT_DATA") or str(Path.home() / ".cache" / "hardlight")


def register() -> None:
    """Schemas into Hydra's store, resolvers into OmegaConf; may be called again."""
    store = ConfigStore.instance()
    for verb, schema in SCHEMAS.items():
        store.store(name=f"{verb}_schema", node=schema)
    resolvers: dict[str, Callable[..., str]] = {
        "name": run_name,
        "folder": run_folder,
        "data_folder": data_folder,
        "job": job_name,
    }
    for name, resolver in resolvers.items():
        OmegaConf.register_new_resolver(f"hardlight.{name}", resolver, replace=True)


def write_choices(cfg: DictConfig) -> None:
    """What names the trained net and its nodes do not hold, into ``cfg.choices``."""
    chosen = HydraConfig.get().runtime.choices
    model = (cfg.model or {}).get("name", chosen["model"])  # torchvision's have one
    cfg.choices = {"model": model, "activation": chosen["activation"], "seed": cfg.seed}


def plain(cfg: DictConfig) -> dict[str, Any]:
    """A plain dict with its interpolations kept, so that it can be resolved again on another machine."""
    container = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
