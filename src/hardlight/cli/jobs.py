"""The jobs of one call, one after another, each failure kept from the next."""

import importlib
import logging
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from hardlight.cli.arguments import Arguments
from hardlight.cli.as_found import as_found
from hardlight.cli.lock import FolderInUse, alone_in
from hardlight.cli.relaunch import children_ended, relaunchable
from hardlight.cli.resumption import go_on
from hardlight.cli.wording import mistake
from hardlight.errors import JobsFailed
from hardlight.interruption import Interrupted


class Jobs:
    """Runs the verb for each job that Hydra hands it, and remembers how they ended."""

    def __init__(self, arguments: Arguments):
        self.arguments = arguments
        self.done = 0
        self.errors: list[Exception] = []
        self.sweep_folder: Path | None = None

    def run(self, cfg: DictConfig) -> Any:
        """One job: what the verb returns, or NaN if it failed, so that a sweep goes on to the next."""
        hydra = HydraConfig.get()
        folder = Path(hydra.runtime.output_dir)
        if self.arguments.multirun:
            self.sweep_folder = Path(hydra.sweep.dir)
        try:
            with alone_in(folder):
                return self._run(cfg, folder, list(hydra.overrides.task))
        except FolderInUse as error:
            self.errors.append(error)
            return float("nan")

    def _run(self, cfg: DictConfig, folder: Path, words: list[str]) -> Any:
        try:
            with as_found(), children_ended(), relaunchable(self.arguments):
                logging.captureWarnings(True)  # Lightning's many go to the run's log
                result = self._verb().run(cfg)
        except Interrupted as stop:
            raise Interrupted(stop.signum, self._interrupted(folder, words)) from stop
        except Exception as error:
            self.errors.append(error)
            why = mistake(error)
            if why and not self.arguments.multirun:
                _leave_no_trace(folder)
                return float("nan")
            logging.getLogger("hardlight").exception("the run failed")
            if self.arguments.multirun:
                why = why or f"{type(error).__name__}, see {folder}/log"
                print(f"hardlight: {' '.join(words)} failed: {' '.join(why.split())}", file=sys.stderr)
            return float("nan")
        self.done += 1
        return result

    def summarise(self) -> None:
        """The comparison of a sweep's runs, also of a sweep that was interrupted."""
        if self.done and self.sweep_folder and hasattr(self._verb(), "summarise"):
            self._verb().summarise(self.sweep_folder)

    def raise_if_failed(self) -> None:
        """The one job's own error, or how many of a sweep's failed."""
        if self.errors and not self.arguments.multirun:
            raise self.errors[0]
        if self.errors:
            raise JobsFailed(f"{len(self.errors)} of {len(self.errors) + self.done} runs failed")

    def _interrupted(self, folder: Path, words: list[str]) -> str:
        """What was interrupted, and how to go on with it."""
        its_own = " ".join(word for word in words if word not in self.arguments.overrides)
        where = f" in {its_own}; the runs after it were not begun" if self.arguments.multirun else ""
        command = go_on(self.arguments.verb, folder)
        _leave_no_trace(folder)
        return f"interrupted{where}; to go on: {command}" if command else f"interrupted{where}; nothing was saved yet"

    def _verb(self) -> ModuleType:
        return importlib.import_module(f"hardlight.verbs.{self.arguments.verb}")


def _leave_no_trace(folder: Path) -> None:
    """Removes the folder that Hydra made for a run that was refused, if nothing else has been written to it."""
    if {each.name for each in folder.iterdir()} <= {".hydra", ".lock", "log"}:
        shutil.rmtree(folder)
        for parent in folder.parents[:2]:
            if parent != Path.cwd() and not any(parent.iterdir()):
                parent.rmdir()
