"""A sweep: every job runs whatever became of the others, and they end in one table."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from hardlight.cli import main

NET = """
from torch import nn

made = []

def fourth_fails(num_classes, activation):
    made.append(activation)
    if len(made) == 4:
        raise RuntimeError("the fourth")
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), activation(), nn.Linear(8, num_classes))
"""


def test_defenses_by_activations(npz, empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_folder / "net_of_a_sweep.py").write_text(NET)
    sys.modules.pop("net_of_a_sweep", None)
    net = ["model=python", "model.path=net_of_a_sweep:fourth_fails", "attack=[noise]", "debug=fast", "name=sweep"]
    assert main(["train", "-m", *npz["gray"], *net, "defense=[],[gda],[ls]", "activation=relu,brelu"]) == 1
    out, err = capsys.readouterr()
    (sweep,) = (empty_folder / "outputs" / "sweep").iterdir()
    assert sorted(file.parent.name[0] for file in sweep.glob("*/records.csv")) == ["0", "1", "2", "4", "5"]
    assert "defense=[gda] activation=brelu failed: " in err
    assert "raised RuntimeError: the fourth" in err
    assert err.rstrip().endswith("hardlight: 1 of 6 runs failed")
    last = out[out.rindex("sweep.csv") - 4000 :]
    assert all(name in last for name in ("none · relu", "none · brelu", "gda · relu", "ls · relu", "ls · brelu"))
    assert "gda · brelu" not in last
    rows = pd.read_csv(sweep / "sweep.csv", keep_default_na=False)
    assert len(rows) == 5
    assert (sweep / "figures" / "accuracy.png").is_file()
