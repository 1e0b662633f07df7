"""``hardlight compare``: two runs beside each other, sample by sample."""

from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from hardlight.errors import UserError
from hardlight.evaluation.comparison import compare
from hardlight.evaluation.one_run import one_run
from hardlight.evaluation.run_folder import write_csv
from hardlight.evaluation.run_labels import run_labels
from hardlight.reporting.difference_figure import difference_plot
from hardlight.reporting.difference_table import difference_table
from hardlight.verbs.shown import shown


def run(cfg: DictConfig) -> pd.DataFrame:
    """The paired differences of two runs, also written to ``compare.csv`` and drawn."""
    if len(cfg.runs) != 2:
        raise UserError(f"compare takes the folders of two runs, as in hardlight compare RUN RUN; got {len(cfg.runs)}")
    try:
        a, b = (one_run(folder) for folder in cfg.runs)
        comparison = compare(a, b)
    except ValueError as error:
        raise UserError(str(error)) from error
    labels = run_labels(pd.concat([a.records.assign(run="A"), b.records.assign(run="B")]))
    names = (f"{labels['A']}  ({cfg.runs[0]})", f"{labels['B']}  ({cfg.runs[1]})")
    folder = Path(cfg.paths.output)
    write_csv(comparison.rows, folder / "compare.csv")
    drawn = difference_plot(comparison.rows, names, folder / "figures" / "compare.png")
    console = Console(highlight=False, markup=False)
    console.print(difference_table(comparison.rows, names))
    for sentence in [*_other_sources(*cfg.runs), *comparison.left_out]:
        console.print(f"! {sentence}", style="yellow", soft_wrap=True)
    for path in (folder / "compare.csv", drawn):
        console.print(f"  {shown(path)}", soft_wrap=True)
    return comparison.rows


def _other_sources(a: str, b: str) -> list[str]:
    """What the configurations beside the records say of the data, where that differs in more than its folder."""
    of_a, of_b = _source(a), _source(b)
    names = [name for name in {**of_a, **of_b} if of_a.get(name) != of_b.get(name)] if of_a and of_b else []
    differ = ", ".join(f"data.source.{name} is {of_a.get(name)} in A and {of_b.get(name)} in B" for name in names)
    return [f"the test images may not be the same: {differ}"] if differ else []


def _source(folder: str) -> dict[str, Any]:
    for file in Path(folder).rglob("records.csv"):
        if (file.parent / "config.yaml").is_file():
            source = OmegaConf.select(OmegaConf.load(file.parent / "config.yaml"), "data.source", default={})
            return {str(name): value for name, value in source.items() if name not in ("folder", "download")}
    return {}
