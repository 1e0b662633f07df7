"""Real runs of a tiny net on tiny data: exit codes, what is told, what is left, what is put back."""

import logging
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra

import __main__
from hardlight.cli import main

BROKEN = "callbacks.progress._target_=collections.Counter"


@pytest.fixture
def tiny(empty_folder: Path, tmp_path: Path) -> list[str]:
    """Overrides for a run of a second: 64 images in two classes, one step, one attack."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((64, 28, 28), dtype=np.float32), np.arange(64) % 2
    for part in ("train", "test"):
        np.savez(tmp_path / f"{part}.npz", images=images, labels=labels)
    return [
        "data=npz",
        f"data.source.train={tmp_path / 'train.npz'}",
        f"data.source.test={tmp_path / 'test.npz'}",
        "model=cnn",
        "attack=[fgsm]",
        "debug=fast",
    ]


def folders(here: Path) -> list[Path]:
    return sorted(file.parent for file in here.rglob("records.csv"))


def process_state() -> tuple[object, ...]:
    hydra = GlobalHydra.instance().hydra
    return sys.argv[:], dict(os.environ), hydra, warnings.filters[:], logging.getLogger().handlers[:], __main__.__spec__


def test_a_run_ends_well_and_puts_the_process_back(tiny: list[str], empty_folder: Path) -> None:
    before = process_state()
    assert main(["train", *tiny]) == 0
    assert process_state() == before
    (folder,) = folders(empty_folder)
    assert (folder / "best.ckpt").is_file()


def test_a_value_out_of_range_is_one_sentence_and_leaves_no_folder(
    tiny: list[str], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = process_state()
    assert main(["train", *tiny, "defense=[gda]", "defense.gda.copies=-1"]) == 2
    assert process_state() == before
    err = capsys.readouterr().err
    assert "defense.gda: copies must be a whole number" in err
    assert err.count("\n") == 1
    assert list(empty_folder.iterdir()) == []


def test_a_bug_shows_its_traceback_here_and_in_the_log(
    tiny: list[str], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *tiny, BROKEN]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("hardlight: a bug, in hardlight or in code given to it: ")
    (log,) = empty_folder.rglob("log")
    assert "Traceback" in log.read_text()


def test_a_sweep_goes_on_after_a_failure_and_is_summarised(
    tiny: list[str], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = process_state()
    assert main(["train", "-m", *tiny, "defense=[gda]", "defense.gda.copies=1,-1,2"]) == 1
    assert process_state() == before
    assert [folder.name[0] for folder in folders(empty_folder)] == ["0", "2"]
    assert len(list(empty_folder.rglob("sweep.csv"))) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hardlight: ")]
    assert len(told) == 2
    assert "defense.gda.copies=-1 failed: defense.gda: copies must be" in told[0]
    assert told[1] == "hardlight: 1 of 3 runs failed"


def test_a_configuration_folder_of_the_users_own(tiny: list[str], empty_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "conf" / "attack").mkdir(parents=True)
    (tmp_path / "conf" / "attack" / "mine.yaml").write_text(
        "# @package attack.mine\n_target_: hardlight.attacks.FGSM\neps: 0.01\nnorm: linf\n"
    )
    assert main(["train", *tiny, "attack=[mine]", "--config-dir", str(tmp_path / "conf")]) == 0
    (folder,) = folders(empty_folder)
    assert "mine" in (folder / "records.csv").read_text()


def test_two_processes_that_fail_in_training_do_not_end_the_sweep(
    tiny: list[str], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = process_state()
    monitored = "callbacks.early_stopping.monitor=nothing,val/accuracy"
    assert main(["train", "-m", *tiny, "trainer=ddp_cpu", "callbacks=early_stopping", monitored]) == 1
    assert process_state() == before
    assert [folder.name[0] for folder in folders(empty_folder)] == ["1"]
    assert capsys.readouterr().err.rstrip().endswith("hardlight: 1 of 2 runs failed")
