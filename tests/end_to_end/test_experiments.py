"""Every experiment runs: one step of it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from hardlight.config import conf_folder


@pytest.mark.parametrize("name", sorted(file.stem for file in (conf_folder() / "experiment").glob("*.yaml")))
def test_an_experiment_runs_a_step(name: str, hardlight: Callable[..., Path]) -> None:
    folder = hardlight("train", f"experiment={name}", "debug=fast")
    assert set(pd.read_csv(folder / "records.csv")["n"]) == {8}  # debug has the last word
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 1
