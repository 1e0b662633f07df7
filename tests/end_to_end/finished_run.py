"""What a run leaves, to be looked at."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hardlight.evaluation.run_folder import read_records, read_samples

ATTACKS = ["attack=[fgsm,pgd,noise]", "attack.pgd.steps=3"]


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and its rows."""

    folder: Path

    @property
    def ckpt(self) -> str:
        return f"ckpt={self.folder / 'best.ckpt'}"

    @property
    def records(self) -> pd.DataFrame:
        return read_records(self.folder)

    @property
    def samples(self) -> pd.DataFrame:
        return read_samples(self.folder)
