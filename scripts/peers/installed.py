"""The peers that are there, and in which versions."""

import importlib
import importlib.metadata
from types import ModuleType

PACKAGES = {
    "ART": ("art", "adversarial-robustness-toolbox"),
    "Foolbox": ("foolbox", "foolbox"),
    "torchattacks": ("torchattacks", "torchattacks"),
    "adv-lib": ("adv_lib", "adv-lib"),
}


def peers() -> tuple[dict[str, ModuleType], list[str]]:
    """Our adapters to every peer that can be imported, and a sentence on each that cannot."""
    found, missing = {}, []
    for library, (module, _) in PACKAGES.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing.append(f"{library} is left out, as {error.name or module} is not installed: ./scripts/setup bench")
        else:
            found[library] = importlib.import_module(f"peers.{module}")
    return found, missing


def versions(libraries: list[str]) -> str:
    return "".join(f", {each} {importlib.metadata.version(PACKAGES[each][1])}" for each in libraries)
