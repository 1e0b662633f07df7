"""Two processes give what one gives, alone and inside a sweep, and none of them is left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from finished_run import ATTACKS, Run

from hardlight import load


def in_processes(folder: Path, *words: str) -> str:
    """The program's output, in ``folder``, once it and all that it started have ended."""
    command = [sys.executable, "-m", "hardlight", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as process:
        out = process.communicate(timeout=120)[0]
    assert process.returncode == 0, out
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return out


def test_two_processes_count_what_one_counts_also_inside_a_sweep(
    trained: Run, npz: dict[str, list[str]], empty_folder: Path
) -> None:
    batches = "data.eval_batch_size=4"  # of 13 images: the ranks get 8 and 5
    out = in_processes(
        empty_folder,
        "evaluate",
        "-m",
        trained.ckpt,
        *npz["gray"],
        batches,
        *ATTACKS,
        "trainer=cpu,ddp_cpu",
        "name=both",
    )
    assert "cpu, 2 processes" in out
    one, two = (Run(file.parent) for file in sorted(empty_folder.rglob("records.csv")))
    exact = ["attack", "norm", "eps", "label", "index", "clean_prediction", "adversarial_prediction"]
    pd.testing.assert_frame_equal(two.samples[exact], one.samples[exact])
    assert not two.samples.duplicated(["attack", "eps", "index"]).any()
    counts = ["attack", "eps", "metric", "n", "n_broken"]
    pd.testing.assert_frame_equal(two.records[counts], one.records[counts])
    assert len(one.samples) == 13 * (1 + 3 * 3)


def test_two_processes_train_one_net_on_one_extended_set(
    trained: Run, npz: dict[str, list[str]], empty_folder: Path
) -> None:
    words = ["trainer=ddp_cpu", "trainer.max_epochs=2", "data.batch_size=18", "attack=[fgsm]", "name=two"]
    words += ["defense=[gda_static,at_static,at]", "defense.gda_static.copies=1"]
    source = f"defense.at_static.source={trained.folder / 'best.ckpt'}"
    out = in_processes(empty_folder, "train", *npz["gray"], *words, source)
    assert out.count("at_static: 72 copies crafted on") == 1
    (file,) = empty_folder.rglob("records.csv")
    samples = Run(file.parent).samples
    assert sorted(samples.loc[samples["attack"] == "none", "index"]) == list(range(13))
    # 4·36 images in two shares of 72, each four batches of 18, twice
    assert torch.load(file.parent / "last.ckpt", weights_only=True)["global_step"] == 8
    assert load(file.parent / "best.ckpt")(torch.zeros(1, 1, 28, 28)).shape == (1, 4)
