"""Any two options that can go together do: each row is trained for a step and attacked; the others are refused."""

import importlib
import math
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
import torch
from covering import covering, pairs
from omegaconf import OmegaConf

from hardlight import attacks, config
from hardlight.attacks import FixedBudget, MinimalNorm
from hardlight.cli import main

CONF = config.conf_folder()
NETS = """
from torch import nn

def plain(shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], num_classes))

def normed(shape, num_classes, activation):
    layers = nn.Conv2d(shape[0], 4, 5, stride=3), nn.BatchNorm2d(4), activation(), nn.Dropout(0.2)
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(num_classes))
"""


def options(group: str) -> list[str]:
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def attack_class(attack: str) -> type[FixedBudget] | type[MinimalNorm]:
    target: str = OmegaConf.load(CONF / "attack" / f"{attack}.yaml")["_target_"]
    found: type[FixedBudget] | type[MinimalNorm] = getattr(attacks, target.rpartition(".")[2])
    return found


KINDS: dict[str, type] = {"fixed": FixedBudget, "minimal": MinimalNorm}
NORMS = ["linf", "l2", "l1", "l0"]
PAPERS = ["cifar_cnn", "cnn", "resnet"]  # one level, each net in its turn
OTHERS = sorted(set(options("activation")) - {"relu", "brelu"})  # torch's own: one level, each in its turn
FACTORS = {
    "data": ["gray", "colour"],
    "model": ["paper", *(set(options("model")) - {"python", *PAPERS}), "plain", "normed"],
    **{group: options(group) for group in ("optimizer", "scheduler", "callbacks")},
    "activation": ["relu", "brelu", "other"],
    **{f"defense.{name}": ["off", "on"] for name in options("defense")},
    "at": ["fgsm", "pgd"],
    "attack": list(KINDS),  # a level, each attack of the kind that knows the row's norm in its turn
    "norm": NORMS,
    "debug": ["off", *options("debug")],
    "chunk": ["auto", "5"],
}
FACTORS["model"].sort()
REFUSED = {
    frozenset({("model", "plain"), ("activation", "brelu")}),
    frozenset({("model", "plain"), ("activation", "other")}),
    frozenset({("callbacks", "eps_warmup"), ("defense.at", "off")}),
    frozenset({("attack", "fixed"), ("norm", "l0")}),
}
ROWS = list(covering(FACTORS, REFUSED))


def attack_of(row: dict[str, str]) -> str:
    """Of the row's kind and norm, the one whose turn it is."""
    alike = [other for other in ROWS if all(other[factor] == row[factor] for factor in ("attack", "norm"))]
    classes = {name: attack_class(name) for name in options("attack") if name != "worst_of"}  # which is many at once
    able = [
        name for name, made in classes.items() if issubclass(made, KINDS[row["attack"]]) and row["norm"] in made.norms
    ]
    return able[alike.index(row) % len(able)]


def quick(attack: str) -> list[str]:
    """Few passes: what is asked for is that it runs."""
    conf = OmegaConf.load(CONF / "attack" / f"{attack}.yaml")
    return [f"attack.{attack}.{key}=2" for key in ("steps", "queries", "binary_search_steps") if key in conf]


def overrides(row: dict[str, str], source: Path) -> list[str]:
    defenses = [name for name in options("defense") if row[f"defense.{name}"] == "on"]
    attack, turn = attack_of(row), ROWS.index(row)
    own = row["model"] in ("plain", "normed")
    return [
        f"model={'python' if own else PAPERS[turn % 3] if row['model'] == 'paper' else row['model']}",
        *([f"model.path=nets_of_pairs:{row['model']}"] if own else []),
        *(f"{group}={row[group]}" for group in ("optimizer", "scheduler", "callbacks", "chunk")),
        f"activation={OTHERS[turn % len(OTHERS)] if row['activation'] == 'other' else row['activation']}",
        *(["model.name=shufflenet_v2_x0_5", "model.small_images=true"] if row["model"] == "torchvision" else []),
        *([f"debug={row['debug']}"] if row["debug"] != "off" else []),
        *(["trainer.overfit_batches=1"] if row["debug"] == "overfit" else []),
        f"defense=[{','.join(defenses)}]",
        *(f"defense.{name}.copies=2" for name in defenses if name in ("gda", "gda_static", "uniform_noise")),
        *(f"defense.{name}.source={source}" for name in defenses if name in ("at_static", "vat_static")),
        *([f"attack@defense.at.attack={row['at']}"] if "at" in defenses else []),
        *(["defense.at.attack.steps=2"] if "at" in defenses and row["at"] == "pgd" else []),
        f"attack=[{attack}]",
        f"attack.{attack}.norm={row['norm']}",
        *quick(attack),
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=1",
        "evaluation.n=12",
        "evaluation.gallery=0",
    ]


@pytest.fixture
def nets(empty_folder: Path) -> None:
    (empty_folder / "nets_of_pairs.py").write_text(NETS)
    importlib.invalidate_caches()
    sys.modules.pop("nets_of_pairs", None)


def test_the_rows_hold_every_pair_that_makes_sense() -> None:
    held = {frozenset(pair) for row in ROWS for pair in combinations(row.items(), 2)}
    assert held == pairs(FACTORS, REFUSED)
    assert len(ROWS) <= 40


@pytest.fixture(scope="session")
def sources(npz: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An undefended net for each data set, to craft on."""
    outputs = tmp_path_factory.mktemp("sources")
    for data, words in npz.items():
        quick = ["trainer.max_steps=1", "attack=[]", "evaluation.gallery=0", f"name={data}", f"paths.outputs={outputs}"]
        assert main(["train", *words, *quick]) == 0
    return {data: next((outputs / data).glob("*/best.ckpt")) for data in npz}


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_a_row_trains_a_step_and_is_attacked(
    row: dict[str, str], hardlight: Callable[..., Path], npz, nets, sources: dict[str, Path]
) -> None:
    folder = hardlight("train", *npz[row["data"]], *overrides(row, sources[row["data"]]))
    records = pd.read_csv(folder / "records.csv", keep_default_na=False)
    attacked = records[records["attack"] == attack_of(row)]
    assert set(attacked["norm"]) == {row["norm"]}
    assert len(set(attacked["eps"]) - {math.inf}) == 3  # inf: what an attack without a budget found
    assert set(records["n"]) == {12}
    assert all(math.isfinite(value) for value in records["value"])
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 1
    assert all(bool(tensor.isfinite().all()) for tensor in checkpoint["state_dict"].values())


SENSELESS = {
    "model=python model.path=nets_of_pairs:plain activation=brelu": "takes no parameter named activation",
    "attack=[random_fgsm] attack.random_fgsm.norm=l2": "attack.random_fgsm: norm must be one of linf, got 'l2'",
    "attack=[pgd] attack.pgd.norm=l1": "attack.pgd: norm must be one of linf, l2, got 'l1'",
    "attack=[fgsm] attack.fgsm.norm=l3": "attack.fgsm.norm must be one of linf, l2, l1, l0, got 'l3'; did you mean",
    "model=python model.path=torch.nn:Identity": "model must give logits of shape (N, 4)",
    "model=cnn data.shape=[3,28,28]": "images",
    "data.num_classes=3": "label",
    "scheduler=cosine trainer.max_epochs=-1 trainer.max_steps=1": "scheduler.T_max must be a whole number",
    "defense=[at] attack@defense.at.attack=fgsm defense.at.attack.eps=[0.1,0.2]": "defense.at",
    "evaluation.n={pgd:3} attack=[fgsm]": "evaluation.n must be one of fgsm, got 'pgd'",
    "data.validation=0": "validation",
    "trainer=ddp_cpu trainer.devices=0": "trainer",
    "chunk=all": "chunk must be",
    "optimizer=sgd optimizer.momentum=0": "optimizer: Nesterov",
}


@pytest.mark.parametrize("words", SENSELESS)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    words: str, npz, nets, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *npz["gray"], "debug=fast", *words.split()]) == 2
    told = capsys.readouterr().err
    assert SENSELESS[words] in told
    assert told.count("\n") == 1
    assert not (empty_folder / "outputs").exists()
