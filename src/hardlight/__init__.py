"""hardlight hardens image classifiers against adversarial examples and measures how hard they became."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Resolved when first asked for (PEP 562), so that the command line answers without importing torch.
_HOMES = {"load": "hardlight.build.checkpoint", "UserError": "hardlight.errors"}
_MODULES = ("attacks", "defenses", "metrics", "nets")
__all__ = ["UserError", "__version__", "attacks", "defenses", "load", "metrics", "nets"]

if TYPE_CHECKING:
    from hardlight import attacks, defenses, metrics, nets
    from hardlight.build.checkpoint import load
    from hardlight.errors import UserError


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"hardlight.{name}")
    raise AttributeError(f"module 'hardlight' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
