"""Every attack of the group at once, on one net of the shipped sample."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hardlight import attacks, config

CONF = config.conf_folder() / "attack"
EVERY = sorted(file.stem for file in CONF.glob("*.yaml"))
FEW = {"steps": 3, "queries": 20, "binary_search_steps": 2, "init_evals": 10, "max_evals": 100, "largest_const": 10}
N = 6


def few_passes() -> list[str]:
    """A word for each setting that makes an attack short; ``auto`` has none, so it is given few images."""
    nodes = {name: OmegaConf.load(CONF / f"{name}.yaml") for name in EVERY}
    return [f"attack.{name}.{key}={few}" for name, node in nodes.items() for key, few in FEW.items() if key in node]


def test_every_attack_in_one_evaluation(hardlight: Callable[..., Path], empty_folder: Path) -> None:
    quiet = ["evaluation.gallery=0", f"paths.outputs={empty_folder / 'outputs'}"]
    trained = hardlight("train", "model=mlp", "trainer.max_epochs=2", "attack=[]", "name=net", *quiet)
    n = ",".join(f"{name}:{1 if name == 'auto' else N}" for name in EVERY)
    words = [f"ckpt={trained / 'best.ckpt'}", f"attack=[{','.join(EVERY)}]", "attack.auto.eps=0.3", *few_passes()]
    folder = hardlight("evaluate", *words, f"evaluation.n={{{n}}}", "name=attacked", *quiet)

    with initialize_config_dir(str(config.conf_folder()), version_base="1.3"):
        asked = compose("evaluate", ["data=mnist_sample", *words[1:]]).attack
    samples = pd.read_parquet(folder / "samples.parquet")
    for name in EVERY:
        node, rows = asked[name], samples[samples["attack"] == name]
        minimal = issubclass(getattr(attacks, node["_target_"].rpartition(".")[2]), attacks.MinimalNorm)
        grid = list(node.eps) if OmegaConf.is_list(node.eps) else [node.eps]
        assert set(rows["eps"]) == {*map(float, grid), *([math.inf] if minimal else [])}, name
        assert set(rows["norm"]) == {node.norm}
        assert rows.groupby("eps")["index"].nunique().eq(1 if name == "auto" else N).all()
        assert rows["forward_passes"].gt(0).all() or name == "noise"
        if node.norm != "l1" and not minimal:
            assert rows[node.norm].le(rows["eps"] * (1 + 1e-5)).all(), name
        if minimal and node.norm != "l1":  # what was found within an eps is what counts there
            found = rows[rows["eps"] == math.inf].set_index("index")
            stood = found["clean_prediction"] == found["label"]
            for eps, at in rows[rows["eps"] < math.inf].set_index("index").groupby("eps"):
                broken = (at["adversarial_prediction"] != at["label"]) & stood
                within = (found["adversarial_prediction"] != found["label"]) & (found[node.norm] <= float(str(eps)))
                assert broken.equals(within & stood), name

    records = pd.read_csv(folder / "records.csv", keep_default_na=False)
    worst = records[(records["attack"] == "worst") & (records["metric"] == "robust_accuracy")]
    assert set(worst["norm"]) == {"linf", "l2", "l0"}
    for _, along in worst.groupby("norm"):
        assert along.sort_values("eps")["value"].is_monotonic_decreasing
    assert worst["value"].min() < worst["value"].max()
