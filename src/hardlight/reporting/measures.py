"""What the metrics beside the accuracies came to, as a table: a row for each metric, run, attack and eps."""

import math

import pandas as pd
from rich.box import HORIZONTALS
from rich.table import Table
from rich.text import Text

from hardlight.evaluation.columns import ACCURACIES, ANY, MEANS
from hardlight.evaluation.run_labels import run_labels


def measures(records: pd.DataFrame) -> pd.DataFrame:
    """The rows of metrics that are neither accuracies nor the means of every attack, the latest of each."""
    rows = records[~records["metric"].isin([*ACCURACIES, *MEANS])]
    return rows.drop_duplicates(["run", "attack", "norm", "eps", "source", "metric"], keep="last")


def measures_table(records: pd.DataFrame) -> Table:
    """Value, 95 % interval and n of each of the ``measures``, at most 80 columns wide."""
    names = run_labels(records)
    table = Table(box=HORIZONTALS, pad_edge=False, padding=(0, 1, 0, 0), header_style="cyan")
    for heading, width in (("", 20), ("attack", 16), ("metric", 18)):
        table.add_column(heading, max_width=width, overflow="fold")
    for heading, width in (("value", 7), ("95 %", 11), ("n", 6)):
        table.add_column(heading, max_width=width, justify="right", overflow="fold")
    before = None
    for _, row in measures(records).iterrows():
        name = names[str(row["run"])]
        interval = "" if pd.isna(row["ci_low"]) else f"{_short(row['ci_low'])}–{_short(row['ci_high'])}"
        cells = (_attack(row), str(row["metric"]), _short(row["value"]), Text(interval, "dim"), f"{row['n']:,}")
        table.add_row("" if name == before else name, *cells)
        before = name
    return table


def _attack(row: pd.Series) -> str:
    if row["attack"] == "none":
        return "clean"
    eps = float(row["eps"])
    name = str(row["attack"]) if eps == ANY else f"{row['attack']}@{eps:.4g}"
    return name if row["source"] == "self" else f"{name} from {row['source']}"


def _short(value: float) -> str:
    """Three digits that count; ∞ for what lies beyond every number, – for what is not defined."""
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.3g}"
