"""The scripts that make the committed results still run."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import yaml

from hardlight import config

SCRIPTS = Path(__file__).parents[1] / "scripts"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_benchmark_times_our_fit_and_the_bare_loop() -> None:
    config.register()
    bench = script("bench_training")
    for seconds in (bench.fit(1), bench.bare_loop(1)):
        assert all(each > 0 for each in seconds)


def test_runs_are_collected(hardlight, npz, tmp_path) -> None:
    folder = hardlight("train", *npz["gray"], "debug=fast", "attack=[fgsm,pgd]", "attack.pgd.steps=2")
    out = tmp_path / "result"
    command = [sys.executable, SCRIPTS / "collect_results.py", folder, out, "--command", "hardlight train"]
    subprocess.run(command, check=True, capture_output=True)
    assert {each.name for each in out.iterdir()} == {"accuracy.png", "made.yaml", "records.csv", "table.txt"}
    made = yaml.safe_load((out / "made.yaml").read_text(encoding="utf-8"))
    assert made["command"] == "hardlight train"
    assert list(made["runs"]) == [folder.parent.name]
