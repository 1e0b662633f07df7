"""What W&B is told of attacks, and how its runs end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning.loggers import WandbLogger
from torch import Tensor

from hardlight.callbacks.attack_evaluation import AttackEvaluation
from hardlight.callbacks.example import Example
from hardlight.callbacks.wandb_run import WandbRun
from hardlight.reporting import wide

GALLERY_COLUMNS = [
    "attack",
    "eps",
    "norm",
    "index",
    "label",
    "clean_prediction",
    "adversarial_prediction",
    "clean",
    "adversarial",
    "difference",
]


@contextmanager
def tracked(loggers: Sequence[Any], evaluation: AttackEvaluation) -> Iterator[None]:
    """Ends the W&B runs among ``loggers`` with the block: with what ``evaluation`` found, or marked as failed."""
    with ended(loggers, lambda logger: log_evaluation(logger, evaluation)):
        yield


@contextmanager
def ended(loggers: Sequence[Any], log: Callable[[WandbLogger], None]) -> Iterator[None]:
    """Ends the W&B runs among ``loggers`` with the block: each with what ``log`` tells it, or marked as failed."""
    runs = [logger for logger in loggers if isinstance(logger, WandbRun)]
    try:
        yield
    except BaseException:
        for run in runs:
            run.finish(exit_code=1)
        raise
    for run in runs:
        run.attempt(log)
        run.finish(exit_code=0)


def log_evaluation(logger: WandbLogger, evaluation: AttackEvaluation) -> None:
    """The comparison, the records and the gallery, a table each."""
    logger.log_table("comparison", dataframe=_plain(wide(evaluation.records)))
    logger.log_table("records", dataframe=_plain(evaluation.records))
    if evaluation.examples:
        logger.log_table("gallery", GALLERY_COLUMNS, [_row(example) for example in evaluation.examples])


def log_transfer(logger: WandbLogger, records: pd.DataFrame, picture: Path) -> None:
    """The records as a table, and the heat maps."""
    logger.log_table("records", dataframe=_plain(records))
    logger.log_image("transfer", [str(picture)])


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the kinds of missing value that W&B does not know."""
    return frame.astype(object).where(frame.notna(), None)


def _row(example: Example) -> list[Any]:
    difference = example.adversarial - example.clean
    scale = float(difference.abs().max()) or 1.0
    return [
        example.attack,
        example.eps,
        example.norm,
        example.index,
        example.label,
        int(example.clean_logits.argmax()),
        int(example.adversarial_logits.argmax()),
        _image(example.clean),
        _image(example.adversarial),
        _image(0.5 + difference / (2 * scale), f"× {1 / scale:.3g}"),
    ]


def _image(pixels: Tensor, caption: str | None = None) -> Any:
    """(C, H, W) in [0, 1], as a picture that W&B does not rescale."""
    import wandb
    from torchvision.transforms.v2.functional import to_pil_image

    return wandb.Image(to_pil_image(pixels), caption=caption)
