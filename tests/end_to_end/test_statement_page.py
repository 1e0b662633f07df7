"""The page beside the records: what it says is so, and its command makes the records again."""

import hashlib
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from finished_run import ATTACKS, Run
from safetensors.torch import save_file

from hardlight import load
from hardlight.attacks import FGSM, PGD, Noise
from hardlight.cli import main

MINE = """
from dataclasses import dataclass
from hardlight.attacks import FixedBudget
from torch import nn

@dataclass(frozen=True, kw_only=True)
class Darken(FixedBudget):
    share: float = 0.5
    def perturb(self, queries, x, goal, index):
        return (x - self.share * self.eps).clamp(0, 1)

def dense(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, num_classes))
"""
CONF = """# @package attack.darken
_target_: statement_parts.Darken
eps: [0.25]
norm: linf
seed: 0
share: 0.75
"""


def page(run: Run) -> str:
    return (run.folder / "statement.md").read_text("utf-8")


def section(run: Run, title: str) -> str:
    return re.split(r"^## ", page(run).split(f"## {title}")[1], flags=re.MULTILINE)[0]


def words(run: Run) -> list[str]:
    (command,) = re.findall(r"^    (hardlight .*)$", page(run), re.MULTILINE)
    return shlex.split(command)[1:]


def hashes(run: Run) -> list[str]:
    return re.findall(r"SHA-256 .*`([0-9a-f]{64})`", page(run))


def results(run: Run) -> pd.DataFrame:
    return run.records.drop(columns=["run", "seconds"])


def test_every_parameter_of_every_attack(trained: Run) -> None:
    eps = sorted(set(trained.samples["eps"]) - {0})
    kinds = {"fgsm": FGSM(eps=1), "pgd": PGD(eps=1, steps=3, early_stop=True), "noise": Noise(eps=1)}
    lines = section(trained, "Attacks").strip().splitlines()
    for line, (name, attack) in zip(lines, kinds.items(), strict=True):
        assert f"**{name}** (`hardlight.attacks.{type(attack).__name__}`)" in line
        assert "linf, eps " + ", ".join(f"{each:.4g}" for each in eps) in line
        assert "all 13 test images" in line
        for key, value in asdict(attack).items():
            plain = {"True": "true", "False": "false", "None": "null"}.get(str(value), value)
            assert key in ("eps", "norm", "label") or re.search(rf"[;,] {key} {plain}[;,]", line)


def test_hashes_are_of_the_data_and_the_weights_that_were_used(
    trained: Run, npz, nets: None, hardlight: Callable[..., Path]
) -> None:
    weights, data = hashes(trained)
    with np.load(npz["gray"][2].partition("=")[2]) as test:
        pixels = (test["images"].astype(np.float32) / np.float32(255)).tobytes()
        assert hashlib.sha256(pixels + test["labels"].astype(np.int64).tobytes()).hexdigest() == data
    state = load(trained.folder / "best.ckpt").net.state_dict()
    save_file(state, "w.safetensors")
    other = Run(hardlight("evaluate", *npz["gray"], *EXTERN, "attack=[fgsm]", "evaluation.n=12"))
    assert hashes(other)[0] == weights  # of the same weights, in another program's file
    assert hashes(other)[1] != data  # one image less
    assert "the first 12 test images" in section(other, "Attacks")
    assert "## Net: w.safetensors\n" in page(other)


EXTERN = ["model=python", "model.path=statement_parts:paper", "model.weights=w.safetensors"]


@pytest.fixture
def nets(empty_folder: Path) -> None:
    paper = "\ndef paper(shape, num_classes):\n    from hardlight.nets import CNN\n    return CNN(shape, num_classes)\n"
    (empty_folder / "statement_parts.py").write_text(MINE + paper)
    (empty_folder / "conf" / "attack").mkdir(parents=True)
    (empty_folder / "conf" / "attack" / "darken.yaml").write_text(CONF)
    sys.modules.pop("statement_parts", None)


def test_the_command_makes_the_records_again(trained: Run, hardlight: Callable[..., Path], nets: None) -> None:
    source = Path("other.ckpt")
    shutil.copy(trained.folder / "best.ckpt", source)
    how = [
        "evaluation.gallery=0",
        "attack=[pgd,darken,noise]",
        "attack.pgd.steps=2",
        "evaluation.n={pgd: 5, darken: 8}",
        "seed=4",
    ]
    run = Run(hardlight("evaluate", "--config-dir", "conf", trained.ckpt, f"source={source}", *how))
    told = section(run, "Attacks")
    assert "**darken** (`statement_parts.Darken`): linf, eps 0.25" in told
    assert "the first 8 test images; backward null, eot 1, restarts 1, seed 0, share 0.75; at most 0 forward" in told
    assert "early_stop false" in told
    assert f"black-box: images crafted on {source}" in section(run, "Threat model")
    assert len(hashes(run)) == 3  # two nets and the data
    again = Run(hardlight(*words(run)))
    pd.testing.assert_frame_equal(results(again), results(run), check_exact=True)


def test_the_command_of_one_job_of_a_sweep(npz, nets: None, empty_folder: Path, hardlight: Callable[..., Path]) -> None:
    net = ["model=python", "model.path=statement_parts:dense", "evaluation.gallery=0", "attack=[fgsm]"]
    sweep = ["defense=[],[fs,gda]", "debug=fast", "name=sweep"]
    assert main(["train", "-m", *npz["gray"], *net, *sweep]) == 0
    plain, hardened = (Run(file.parent) for file in sorted(empty_folder.rglob("records.csv")))
    assert "no defense" in page(plain)
    assert "acts in training alone" in section(hardened, "Net")
    assert "straight-through" in section(hardened, "Net")
    assert "-m" not in words(hardened)
    before = results(hardened), hashes(hardened)
    for file in (*plain.folder.glob("records.csv"), *hardened.folder.glob("records.csv")):
        file.unlink()
    again = Run(hardlight(*words(hardened)))
    pd.testing.assert_frame_equal(results(again), before[0], check_exact=True)
    assert hashes(again) == before[1]


def test_without_git_and_without_attacks(
    trained: Run, hardlight: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [trained.ckpt, "evaluation.n=2", "evaluation.gallery=0"]
    monkeypatch.setenv("PATH", "")
    assert "git commit not known" in page(Run(hardlight("evaluate", *few, "attack=[noise]")))
    nothing = hardlight("evaluate", *few, "attack=[]")
    assert not (nothing / "statement.md").exists()


def test_it_is_found_and_names_the_run(trained: Run) -> None:
    assert page(trained).startswith("# Robustness statement: npz · cnn · none · relu\n")
    assert f"## Net: {trained.folder / 'best.ckpt'}\n" in page(trained)
    assert f"{torch.get_num_threads()}" in section(trained, "Run")
    assert words(trained)[-1].startswith("paths.outputs=")
    assert set(ATTACKS) < set(words(trained))
