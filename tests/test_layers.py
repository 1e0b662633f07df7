"""Who may import whom: the tiers of the package, and the few modules that know its frameworks."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hardlight

PACKAGE = Path(hardlight.__file__).parent

# Each tier may import those above it in this list, and nothing beside it or below.
TIERS = [
    {"checks", "errors", "interruption"},
    {"tensors", "statistics", "backward"},
    {"nets", "attacks", "schedulers"},
    {"metrics"},
    {"defenses"},
    {"classifier", "data"},
    {"evaluation"},
    {"reporting"},
    {"callbacks"},
    {"config"},
    {"build"},
    {"verbs"},
    {"cli"},
    {"__main__"},
]
TIER = {part: tier for tier, parts in enumerate(TIERS) for part in parts}

HYDRA = {"build", "config", "cli", "verbs"}
LIGHTNING = {"classifier", "data", "callbacks", "build", "verbs"}
KNOWERS = {
    "hydra": HYDRA,
    "omegaconf": HYDRA,
    "pytorch_lightning": LIGHTNING,
    "lightning": set(),  # the other name of pytorch_lightning: two of them do not know each other's classes
    "wandb": {"callbacks", "reporting"},
    "torchmetrics": {"metrics", "classifier", "callbacks"},
}
# Plain torch, usable from a notebook: all that these may import beside Python's own library and hardlight.
PLAIN = {
    "checks": set(),
    "errors": set(),
    "tensors": {"torch"},
    "backward": set(),
    "attacks": {"torch"},
    "defenses": {"torch"},
    "nets": {"torch", "torchvision", "safetensors", "numpy"},
    "schedulers": {"torch"},
    "metrics": {"torch", "torchmetrics"},
}


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, those inside functions and for type checkers too.

    ``package`` holds the names of the package that a relative import starts from.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def mistakes(part: str, tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    for line, name in imported(tree, package):
        top, *rest = name.split(".")
        if top == "hardlight":
            other = rest[0] if rest else ""
            if other in TIER and other != part and TIER[other] >= TIER[part]:
                yield line, f"{part} may not import {other}"
        elif part not in KNOWERS.get(top, {part}):
            yield line, f"{part} may not know {top}"
        elif part in PLAIN and top not in PLAIN[part] and not is_pythons(top):
            yield line, f"{part} may not need {top}"


def is_pythons(top: str) -> bool:
    return top in sys.stdlib_module_names


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_tier_may(file):
    package = ["hardlight", *file.relative_to(PACKAGE).parts[:-1]]
    found = list(mistakes(part_of(file), ast.parse(file.read_text("utf-8")), package))
    assert not found, "\n".join(f"{file}:{line}: {sentence}" for line, sentence in found)


def test_every_part_has_its_tier():
    assert {part_of(file) for file in FILES} <= set(TIER)


def test_the_package_itself_imports_nothing_of_its_own_until_asked():
    """So that the command line answers before torch is loaded."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    tree.body = [node for node in tree.body if not isinstance(node, ast.If)]  # TYPE_CHECKING
    assert all(is_pythons(name.split(".")[0]) for _, name in imported(tree, ["hardlight"]))


@pytest.mark.parametrize(
    ("part", "line", "mistake"),
    [
        ("attacks", "from hardlight.defenses import Defense", "attacks may not import defenses"),
        ("attacks", "from hardlight import checks, nets", "attacks may not import nets"),
        ("attacks", "def f():\n    import hardlight.metrics", "attacks may not import metrics"),
        ("attacks", "from ..nets import CNN", "attacks may not import nets"),
        ("attacks", "from .. import nets", "attacks may not import nets"),
        ("attacks", "from . import goal", None),
        ("attacks", "from hardlight.attacks.goal import Goal", None),
        ("attacks", "import numpy", "attacks may not need numpy"),
        ("attacks", "import math, torch.nn", None),
        ("data", "from hardlight.classifier import Classifier", "data may not import classifier"),
        ("verbs", "from hardlight import build, config, __version__", None),
        ("build", "from hardlight.verbs import train", "build may not import verbs"),
        ("data", "from omegaconf import DictConfig", "data may not know omegaconf"),
        ("nets", "import pytorch_lightning as pl", "nets may not know pytorch_lightning"),
        ("callbacks", "import lightning.pytorch as pl", "callbacks may not know lightning"),
        ("classifier", "import wandb", "classifier may not know wandb"),
        ("reporting", "import wandb", None),
        ("metrics", "from torchmetrics import Metric", None),
    ],
)
def test_the_rules_themselves(part, line, mistake):
    found = [sentence for _, sentence in mistakes(part, ast.parse(line), ["hardlight", part])]
    assert found == ([mistake] if mistake else [])
