"""Gathers runs into a committed result: their records, one table, one picture, and how they were made.

.venv/bin/python scripts/collect_results.py RUNS results/NAME --command "scripts/measure_mnist data"
"""

import argparse
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml
from rich.console import Console

from hardlight.evaluation.disagreement import disagreement
from hardlight.evaluation.run_folder import read_records, read_samples
from hardlight.reporting import accuracy_curves, comparison_table, measures, measures_table

LIBRARIES = ("hardlight", "torch", "pytorch-lightning", "numpy")


def processor() -> str:
    """The CPU's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if info.is_file() and names else platform.processor()


def epoch_seconds(run: Path) -> float:
    """All the seconds that a run's epochs took."""
    metrics = pd.read_csv(run / "metrics.csv")
    return float(metrics.get("train/epoch_seconds", pd.Series(dtype=float)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--command", required=True, help="what made the runs")
    parser.add_argument("--note", default="", help="what a reader must know")
    parser.add_argument("--draw", nargs="*", default=(), help="the runs in the picture, by name; all if none is given")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    folders = sorted((path.parent for path in options.runs.rglob("records.csv")), key=lambda path: path.name)
    records, samples = read_records(*folders), read_samples(*folders)
    records.to_csv(options.out / "records.csv", index=False)
    drawn = [folder for folder in folders if not options.draw or folder.parent.name in options.draw]
    shown = read_records(*drawn)
    accuracy_curves(shown[shown["attack"] != "noise"], options.out / "accuracy.png", samples)
    made = {
        "command": options.command,
        "note": options.note,
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        "hardware": processor(),
        "runs": {
            folder.parent.name: {"started": folder.name, "training_seconds": round(epoch_seconds(folder))}
            for folder in folders
        },
    }
    (options.out / "made.yaml").write_text(yaml.safe_dump(made, sort_keys=False, allow_unicode=True), encoding="utf-8")
    with (options.out / "table.txt").open("w", encoding="utf-8") as file:
        console = Console(file=file, width=80, markup=False, highlight=False)
        console.print(comparison_table(records))
        if len(measures(records)):
            console.print(measures_table(records))
        for sentence in disagreement(samples, records):
            console.print(f"! {sentence}")
    Console().print(comparison_table(records))


if __name__ == "__main__":
    main()
