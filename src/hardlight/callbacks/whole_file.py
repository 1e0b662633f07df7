"""Checkpoints on disk that a crash cannot halve."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from hardlight.evaluation.run_folder import write_whole


class WholeFile(TorchCheckpointIO):
    """Each checkpoint is on the disk before it takes the place of the one before it.

    Lightning's own goes through the system's temporary folder, and is copied where that is another file system.
    """

    def save_checkpoint(self, checkpoint: Mapping[str, Any], path: Any, storage_options: Any = None) -> None:
        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:  # Python's own, whose errors say what is wrong
                try:
                    torch.save(checkpoint, file)
                except RuntimeError as error:  # of torch, which could not end the file either
                    raise error.__context__ or error from None

        write_whole(Path(path), write)
