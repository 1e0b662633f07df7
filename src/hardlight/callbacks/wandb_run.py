"""A run of Weights & Biases that may fail without the training failing with it."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console


class WandbRun(Logger):
    """Lightning's ``WandbLogger``, whose first error is told in one sentence and ends the tracking, nothing else.

    There is one run on rank 0 alone; it begins, and wandb is imported, with the first thing logged. Without an API key
    it is offline, and never asks for one. ``folder`` names the run, and ``sweep`` the group where ``folder`` lies in
    it; W&B's own files go below ``save_dir``. ``settings`` are those of ``wandb.init``.
    """

    def __init__(
        self,
        *,
        folder: str | Path,
        sweep: str | Path,
        save_dir: str | Path,
        project: str = "hardlight",
        entity: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.folder = Path(folder).absolute()
        self.group = (
            f"{Path(sweep).parent.name}/{Path(sweep).name}" if self.folder.parent == Path(sweep).absolute() else None
        )
        self.files = Path(save_dir).absolute()
        self.project = project
        self.entity = entity
        self.settings = dict(settings or {})
        self.tags: list[str] = []
        self._logger: WandbLogger | None = None
        self._failed = False

    @property
    def name(self) -> str:
        return "wandb"

    @property
    def version(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        choices = params.get("choices") or {}
        tags = [*(params.get("defense") or {}), choices.get("model"), choices.get("activation")]
        self.tags = [str(tag) for tag in dict.fromkeys(tags) if tag is not None]
        self.attempt(lambda logger: logger.log_hyperparams(params))

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.attempt(lambda logger: logger.log_metrics(metrics, step))

    @rank_zero_only
    def attempt(self, act: Callable[[WandbLogger], None]) -> None:
        """Does ``act``, unless W&B failed before."""
        if self._failed:
            return
        try:
            with _staged_in(self.files / "wandb"):
                self._logger = self._logger or self._begin()
                act(self._logger)
        except Exception as error:  # whatever it is, it is not worth a training
            self._fail(error)

    @rank_zero_only
    def finish(self, exit_code: int) -> None:
        """Ends the run, if one began; other than 0 marks it as failed."""
        try:
            if self._logger is not None:
                self._logger.experiment.finish(exit_code=exit_code)
        except Exception as error:
            self._fail(error)
        if self._failed:
            with suppress(Exception, SystemExit):  # the next run shall not meet what is left of W&B's process
                import wandb

                wandb.teardown(exit_code)

    def _begin(self) -> WandbLogger:
        import wandb

        self.files.mkdir(parents=True, exist_ok=True)
        mode = wandb.setup(wandb.Settings(**self.settings)).settings.mode
        no_key = mode not in ("offline", "disabled") and not wandb.login(prompt=False, verify=False)
        logger = WandbLogger(
            name=self.version,
            group=self.group,
            project=self.project,
            entity=self.entity,
            tags=self.tags,
            save_dir=self.files,
            mode="offline" if no_key else mode,
            settings=self.settings,
            reinit="create_new",  # never the run of another job
        )
        run = logger.experiment
        if run.settings.mode == "offline":
            why = " without an API key" if no_key else ""
            _say(f"W&B is offline{why}; to upload this run later: wandb sync {_pasted(Path(run.dir).parent)}")
        elif run.url:
            _say(f"W&B: {run.url}")
        return logger

    def _fail(self, error: Exception) -> None:
        if not self._failed:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            _say(f"W&B failed, the run goes on without it: {reason}")
        self._failed = True


@contextmanager
def _staged_in(folder: Path) -> Iterator[None]:
    """What waits for its upload lies in ``folder``, not in the user's home."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]


def _say(sentence: str) -> None:
    Console(stderr=True, highlight=False).print(sentence, markup=False, soft_wrap=True)


def _pasted(path: Path) -> str:
    return shlex.quote(min(str(path), os.path.relpath(path), key=len))
