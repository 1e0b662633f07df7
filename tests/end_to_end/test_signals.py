"""Told to stop, the program keeps what is done, says how to go on, and leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback

from hardlight.build import training
from hardlight.cli import main
from hardlight.cli.lock import alone_in

QUICK = ["attack=[fgsm]", "evaluation.gallery=0", "data.batch_size=9", "name=told"]


class Tell(Callback):
    """Sends this process a signal at a hook of Lightning's, the first time that it is called after ``step`` steps."""

    def __init__(self, hook: str, signum: int, step: int = 2, times: int = 1) -> None:
        self.hook, self.signum, self.step, self.times = hook, signum, step, times
        setattr(self, hook, self._tell)

    def _tell(self, trainer: Any, *_: Any, **__: Any) -> None:
        if trainer.global_step >= self.step:
            for _ in range(self.times):
                os.kill(os.getpid(), self.signum)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def to(hook: str, signum: int, **how: int) -> None:
        built = training.callbacks
        monkeypatch.setattr(training, "callbacks", lambda cfg: {**built(cfg), "tell": Tell(hook, signum, **how)})

    return to


def go_on(err: str) -> str:
    """The last word of the command that is told, alone on its line at the end."""
    line = err.rstrip().splitlines()[-1]
    assert line.startswith("hardlight: interrupted; to go on: hardlight train ckpt=outputs/told/")
    assert "Traceback" not in err
    return line.split()[-1]


@pytest.mark.parametrize(
    ("signum", "hook", "steps"),
    [
        (signal.SIGINT, "on_train_batch_start", 3),  # after the step that begins
        (signal.SIGTERM, "on_train_batch_end", 2),
        (signal.SIGTERM, "on_validation_start", 4),  # after the validation, at the end of the epoch
        (signal.SIGINT, "on_test_batch_start", 8),  # all that there is
    ],
)
def test_it_saves_and_says_how_to_go_on(
    signum: int, hook: str, steps: int, told, npz, empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context():
        told(hook, signum)
        assert main(["train", *npz["gray"], *QUICK, "trainer.max_epochs=2"]) == 128 + signum
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    word = go_on(capsys.readouterr().err)
    last = Path(word.removeprefix("ckpt="))
    assert torch.load(last, weights_only=True)["global_step"] == steps
    monkeypatch.undo()
    monkeypatch.chdir(empty_folder)
    assert main(["train", word]) == 0
    assert torch.load(last, weights_only=True)["global_step"] == 8
    assert (last.parent / "records.csv").is_file()


def test_told_twice_it_ends_at_once(told, npz, empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told("on_train_batch_start", signal.SIGINT, step=5, times=2)
    assert main(["train", *npz["gray"], *QUICK, "trainer.max_epochs=2"]) == 130
    last = Path(go_on(capsys.readouterr().err).removeprefix("ckpt="))
    assert torch.load(last, weights_only=True)["global_step"] == 4  # the end of the epoch before


def test_before_anything_is_saved_it_leaves_nothing(told, npz, empty_folder: Path, capsys) -> None:
    told("setup", signal.SIGTERM, step=0)
    assert main(["train", *npz["gray"], *QUICK]) == 143
    assert capsys.readouterr().err.rstrip().endswith("hardlight: interrupted; nothing was saved yet")


def test_a_sweep_ends_with_what_it_has(told, npz, empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told("on_train_batch_end", signal.SIGINT, step=3)
    words = [*npz["gray"], *QUICK, "trainer.max_epochs=1", "callbacks.last.save_every=1"]
    assert main(["train", "-m", *words, "trainer.limit_train_batches=1,4,2"]) == 130
    (sweep,) = (empty_folder / "outputs" / "told").iterdir()
    assert sorted(each.name[0] for each in sweep.iterdir() if each.is_dir() and each.name != "figures") == ["0", "1"]
    assert (sweep / "sweep.csv").is_file()
    (last,) = (sweep / "1_trainer.limit_train_batches-4").glob("last.ckpt")
    assert (
        capsys.readouterr()
        .err.rstrip()
        .endswith(
            "hardlight: interrupted in trainer.limit_train_batches=4; the runs after it were not begun; "
            f"to go on: hardlight train ckpt={last.relative_to(empty_folder)}"
        )
    )


def test_a_folder_that_is_in_use_is_refused(npz, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "busy"
    folder.mkdir()
    with held_by_another(folder) as pid:
        assert main(["train", *npz["gray"], *QUICK, "debug=fast", f"hydra.run.dir={folder}"]) == 2
        err = capsys.readouterr().err
        assert f"{folder} is in use by the running process {pid}: wait for it, or end it" in err
        assert not (folder / "last.ckpt").exists()
    with alone_in(folder):  # whose holder was killed
        pass


@contextmanager
def held_by_another(folder: Path) -> Iterator[int]:
    """Another process in the folder, until it is killed."""
    hold = (
        "import sys, time; from pathlib import Path; from hardlight.cli.lock import alone_in\n"
        "with alone_in(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", hold, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("to_all", [True, False], ids=["a terminal's Ctrl-C", "one kill"])
def test_two_processes_end_together(to_all: bool, npz, empty_folder: Path) -> None:
    words = [*npz["gray"], *QUICK, "trainer=ddp_cpu", "trainer.max_epochs=10000"]
    command = [sys.executable, "-m", "hardlight", "train", *words]
    with subprocess.Popen(
        command, cwd=empty_folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not list(empty_folder.rglob("last.ckpt")):
            assert process.poll() is None
            time.sleep(0.1)
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        assert process.communicate(timeout=120)[1].rstrip().splitlines()[-1].startswith("hardlight: interrupted; to go")
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    (last,) = empty_folder.rglob("last.ckpt")
    done = torch.load(last, weights_only=True)["epoch"] + 1
    again = [sys.executable, "-m", "hardlight", "train", f"ckpt={last}", f"trainer.max_epochs={done + 1}"]
    assert subprocess.run(again, cwd=empty_folder, timeout=240, check=False).returncode == 0
    assert (last.parent / "records.csv").is_file()
