"""A call of the program, or a job of it, that leaves the process as it found it."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_found() -> Iterator[None]:
    """Puts back sys.argv, sys.path, os.environ, the warning filters and the root logger, also after an error."""
    argv, path, environment = sys.argv[:], sys.path[:], dict(os.environ)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            logging.captureWarnings(False)
            sys.argv[:], sys.path[:] = argv, path
            os.environ.clear()
            os.environ.update(environment)
            for handler in root.handlers:
                if handler not in handlers:
                    handler.close()
            root.setLevel(level)
            root.handlers[:] = handlers


@contextmanager
def own_hydra() -> Iterator[None]:
    """Hydra's process-wide state, empty for the length of the block and then put back."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    hydra, cfg = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra
        HydraConfig.instance().cfg = cfg
