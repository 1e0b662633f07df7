"""W&B by the real package, offline: what a run holds, how it ends, and that its faults cost nothing else."""

import os
import pty
import signal
import subprocess
import sys
from functools import partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
import wandb
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only
from torch import nn
from wandb_file import Offline

from hardlight import config
from hardlight.attacks import FGSM
from hardlight.callbacks import AttackEvaluation, WandbRun, tracked
from hardlight.classifier import Classifier
from hardlight.data import DataModule, ImageSet
from hardlight.defenses import DefendedNet, DefenseStack
from hardlight.evaluation.planned import Planned
from hardlight.reporting import wide

CONF = Path(__file__).parents[2] / "conf"
SETTINGS = OmegaConf.to_container(OmegaConf.load(CONF / "logger" / "wandb.yaml").settings)
CONFIG = {"defense": {"gda": {"sigma": 0.1}, "ls": {}}, "choices": {"model": "cnn", "activation": "relu"}, "seed": 0}
FACTS = {"data": "small", **CONFIG["choices"], "defense": "gda+ls", "seed": 0, "form": "sound", "version": "0"}
RECORDS = pd.DataFrame(
    [{**FACTS, "run": "2_c", "attack": "none", "norm": "none", "eps": 0.0, "source": "self", "metric": "accuracy"}]
).assign(value=0.5, n=4, ci_low=0.2, ci_high=0.8)


class Small:
    """40 training and 12 test images (1, 4, 4) of three classes."""

    def prepare(self):
        pass

    def read(self, part):
        n = 40 if part == "train" else 12
        images = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(n))
        return ImageSet(images, torch.arange(n) % 3, torch.arange(n))


def logger(folder, sweep="nowhere"):
    return WandbRun(folder=folder, sweep=sweep, save_dir=folder, settings=SETTINGS)


def train(folder):
    """What the verb does, in little: 2 epochs of 5 steps, then the attacks."""
    attacks = {"fgsm": [Planned.of(FGSM(eps=eps)) for eps in (0.1, 0.3)]}
    evaluation = AttackEvaluation(attacks, run=folder.name, facts=FACTS, folder=folder, gallery=2)
    loggers = [CSVLogger(folder, name="", version=""), logger(folder)]
    net = DefendedNet(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), DefenseStack())
    model = Classifier(net, 3, optimizer=partial(torch.optim.SGD, lr=0.1), attack=FGSM(eps=0.1))
    data = DataModule(Small(), (1, 4, 4), 3, batch_size=9)
    with tracked(loggers, evaluation):
        best = ModelCheckpoint(folder, "best", "val/accuracy", mode="max")
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=2,
            log_every_n_steps=2,
            inference_mode=False,
            callbacks=[best, evaluation],
            logger=loggers,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        for each in loggers:
            each.log_hyperparams(CONFIG)
        trainer.fit(model, datamodule=data)
        trainer.test(model, datamodule=data, verbose=False)
    return evaluation


def found(folder):
    """The offline runs below ``folder``, once W&B's process has written them out."""
    wandb.teardown()
    return [Offline(each) for each in sorted(folder.glob("**/wandb/offline-run-*"))]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A home and a current folder of its own, no account, and W&B's process gone before and at the end."""
    wandb.teardown()  # it remembers the environment of the test that began it
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield
    monkeypatch.undo()
    wandb.teardown()


def test_a_tracked_training(tmp_path, capfd):
    evaluation = train(tmp_path / "run")
    (run,) = found(tmp_path)

    assert (run.run.display_name, run.run.project, run.run.run_group) == (f"{tmp_path.name}/run", "hardlight", "")
    assert list(run.run.tags) == ["gda", "ls", "cnn", "relu"]
    assert run.config == [CONFIG]
    assert run.exit_codes == [0]

    axis = "trainer/global_step"
    assert {each.glob_name: each.step_metric for each in run.metrics if each.glob_name} == {"*": axis}
    steps = [row[axis] for row in run.history]
    assert steps == sorted(steps)
    curve = {row[axis]: row["train/loss"] for row in run.history if "train/loss" in row}
    assert list(curve) == [1, 3, 5, 7, 9]
    assert [row[axis] for row in run.history if "val/accuracy" in row] == [4, 9]
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv").set_index("step")
    assert curve == pytest.approx(metrics["train/loss"].dropna().to_dict())

    records = evaluation.records
    for row in records[records["metric"] == "robust_accuracy"].itertuples():
        assert run.summary[f"attack/{row.attack}/{row.eps:g}/robust_accuracy"] == pytest.approx(row.value)
    assert run.summary["test/accuracy"] == pytest.approx(records[records["attack"] == "none"]["value"].item())

    rows = run.table("records")
    assert [row["value"] for row in rows] == pytest.approx(list(records["value"]))
    assert [row["n_broken"] for row in rows] == [None if pd.isna(n) else n for n in records["n_broken"]]
    (compared,), (expected,) = run.table("comparison"), wide(records).to_dict("records")
    assert {key: compared[key] for key in ("defense", "fgsm@0.3", "clean n")} == {
        key: expected[key] for key in ("defense", "fgsm@0.3", "clean n")
    }

    gallery = run.table("gallery")
    assert [(row["attack"], row["eps"], row["index"]) for row in gallery] == [
        ("fgsm", eps, index) for eps in (0.1, 0.3) for index in (0, 1)
    ]
    example, row = evaluation.examples[-1], gallery[-1]
    assert (row["label"], row["adversarial_prediction"]) == (example.label, int(example.adversarial_logits.argmax()))
    difference = example.adversarial - example.clean
    shown = {
        "clean": example.clean,
        "adversarial": example.adversarial,
        "difference": 0.5 + difference / (2 * difference.abs().max()),
    }
    staged = {each.read_bytes() for each in (tmp_path / "run" / "wandb" / "artifacts").rglob("tmp*")}
    images = [torch.tensor(list(Image.open(BytesIO(data)).getdata())) for data in staged if data.startswith(b"\x89PNG")]
    for pixels in shown.values():
        assert any(torch.allclose(image / 255, pixels.flatten(), atol=1.01 / 255) for image in images)

    assert not list((tmp_path / "home").rglob("artifacts"))
    said = capfd.readouterr().err.splitlines()
    path = os.path.relpath(run.folder)
    why = "W&B is offline without an API key; to upload this run later: wandb sync "
    assert [line for line in said if "W&B" in line or "wandb:" in line] == [why + path]


def test_a_run_a_job_finished_in_every_case(tmp_path):
    sweep = tmp_path / "sweep"

    def job(name, error=None):
        run = logger(sweep / name, sweep)
        with tracked([run], SimpleNamespace(records=RECORDS, examples=[])):
            run.log_metrics({"x": 1.0}, 1)
            if error is not None:
                raise error

    with pytest.raises(RuntimeError):
        job("0_a", RuntimeError())
    with pytest.raises(KeyboardInterrupt):
        job("1_b", KeyboardInterrupt())
    job("2_c")
    runs = found(sweep)
    assert {run.run.run_group for run in runs} == {f"{tmp_path.name}/sweep"}
    assert {run.history[0]["x"] for run in runs} == {1.0}
    assert {run.run.display_name: run.exit_codes for run in runs} == {
        "sweep/0_a": [1],
        "sweep/1_b": [1],
        "sweep/2_c": [0],
    }


def breaks_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    return []


def breaks_init(monkeypatch):
    calls = []

    def fails(**settings):
        calls.append(settings)
        raise OSError("no space left\nat all")

    monkeypatch.setattr("wandb.init", fails)
    return calls


def breaks_the_second_log(monkeypatch):
    log, calls = wandb.Run.log, []

    def fails(self, *args, **kwargs):
        calls.append(args)
        if len(calls) > 1:
            raise ConnectionError("gone")
        log(self, *args, **kwargs)

    monkeypatch.setattr(wandb.Run, "log", fails)
    return calls


@pytest.mark.parametrize(("breaks", "attempts"), [(breaks_import, 0), (breaks_init, 1), (breaks_the_second_log, 2)])
def test_a_fault_costs_a_sentence_and_nothing_else(breaks, attempts, tmp_path, monkeypatch, capfd):
    calls = breaks(monkeypatch)
    evaluation = train(tmp_path / "run")
    assert len(calls) == attempts
    assert len(evaluation.records) > 10
    said = [line for line in capfd.readouterr().err.splitlines() if "W&B failed" in line]
    assert len(said) == 1
    assert said[0].startswith("W&B failed, the run goes on without it: ")
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert metrics["train/loss"].notna().sum() == 5
    assert "attack/fgsm/0.1/robust_accuracy" in metrics
    assert {"records.csv", "samples.parquet", "best.ckpt"} <= {each.name for each in (tmp_path / "run").iterdir()}


def test_the_next_run_outlives_a_killed_process(tmp_path, capfd):
    first, second = (logger(tmp_path / name) for name in "ab")
    first.log_metrics({"x": 1.0}, 1)
    children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    (pid,) = [int(line.split()[0]) for line in children.stdout.splitlines() if "wandb-core" in line]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for step in range(20):
        first.log_metrics({"x": 1.0}, step)
    first.finish(exit_code=0)
    second.log_metrics({"x": 2.0}, 1)
    second.finish(exit_code=0)
    (run,) = found(tmp_path / "b")
    assert run.history[0]["x"] == 2.0
    assert run.exit_codes == [0]
    assert capfd.readouterr().err.count("W&B failed") == 1


def test_disabled_or_not_first_it_leaves_no_trace(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    other = logger(tmp_path / "other")
    other.log_hyperparams(CONFIG)
    other.log_metrics({"x": 1.0}, 1)
    other.finish(exit_code=0)
    assert not (tmp_path / "other").exists()
    monkeypatch.setattr(rank_zero_only, "rank", 0)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    train(tmp_path / "run")
    assert not found(tmp_path)
    assert "W&B" not in capfd.readouterr().err


def test_no_question_on_a_terminal_and_no_import_before_it_is_chosen(tmp_path):
    program = """
import sys
from hardlight.callbacks import WandbRun
run = WandbRun(folder="run", sweep="nowhere", save_dir="run", settings={"silent": True})
assert "wandb" not in sys.modules
run.log_metrics({"x": 1.0}, 1)
run.finish(exit_code=0)
assert sys.stdin.isatty() and sys.stdout.isatty()
"""
    ours, theirs = pty.openpty()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "WANDB_MODE": "online"},
            timeout=60,
        )
    finally:
        os.close(theirs)
        os.close(ours)
    assert ended.returncode == 0
    assert found(tmp_path)[0].exit_codes == [0]


@pytest.mark.parametrize("choice", ["logger=wandb", "logger=[csv,wandb]"])
def test_the_conf_keeps_the_csv_and_obeys_the_environment(choice, monkeypatch):
    config.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        overrides = [choice, "paths.output=outputs/a/b", "hydra.sweep.dir=outputs/a"]
        cfg = compose("train", overrides, return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        node = cfg.logger.wandb
        assert list(cfg.logger) == ["csv", "wandb"]
        assert (node.project, node.entity, node.save_dir) == ("hardlight", None, "outputs/a/b")
        assert (node.folder, node.sweep) == ("outputs/a/b", "outputs/a")
        for name in ("PROJECT", "ENTITY", "DIR"):
            monkeypatch.setenv(f"WANDB_{name}", f"my-{name}")
        assert (node.project, node.entity, node.save_dir) == ("my-PROJECT", "my-ENTITY", "my-DIR")
