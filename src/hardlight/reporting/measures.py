"""What the metrics beside the accuracies came to, as a table: a row for each metric, run, attack and eps."""

import math

import pandas as pd
from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hardlight.evaluation.columns import ACCURACIES, ANY, MEANS
from hardlight.evaluation.run_labels import run_labels
from hardlight.reporting.tables import wrapped


def measures(records: pd.DataFrame) -> pd.DataFrame:
    """The rows of metrics that are neither accuracies nor the means of every attack, the latest of each."""
    rows = records[~records["metric"].isin([*ACCURACIES, *MEANS])]
    return rows.drop_duplicates(["run", "attack", "norm", "eps", "source", "metric"], keep="last")


def measures_table(records: pd.DataFrame) -> RenderableType:
    """Value, 95 % interval and n of each of the ``measures``, a part for each run, at most 80 columns wide."""
    table = Table(box=HORIZONTALS, pad_edge=False, padding=(0, 1, 0, 0), header_style="cyan")
    for heading, width in (("attack", 20), ("metric", 25)):
        table.add_column(heading, max_width=width, overflow="fold")
    for heading, width in (("value", 7), ("95 %", 13), ("n", 6)):
        table.add_column(heading, max_width=width, justify="right", overflow="fold")
    rows = measures(records)
    for run, name in run_labels(rows).items():
        table.add_row(Text(name, "bold"))
        for _, row in rows[rows["run"] == run].iterrows():
            interval = "" if pd.isna(row["ci_low"]) else f"{_short(row['ci_low'])}–{_short(row['ci_high'])}"
            cells = (Text(str(row["metric"])), _short(row["value"]), Text(interval, "dim"), f"{row['n']:,}")
            table.add_row(Text(_attack(row)), *cells)
        table.add_section()
    note = "rho is an upper bound, whatever attack it is named with: a stronger one may find less."
    return Group(table, wrapped(note, "dim")) if rows["metric"].str.startswith("rho").any() else table


def _attack(row: pd.Series) -> str:
    if row["attack"] == "none":
        return "clean"
    eps = float(row["eps"])
    name = str(row["attack"]) if eps == ANY else f"{row['attack']}@{eps:.4g}"
    return name if row["source"] == "self" else f"{name} from {row['source']}"


def _short(value: float) -> str:
    """Three digits that count, two of what is small; ∞ for what lies beyond every number, – for what is not defined."""
    if math.isnan(value):
        return "–"
    if 0 < abs(value) < 0.01:
        return f"{value:.1e}".replace("e-0", "e-")  # 0.000561 would not fit beside its interval
    return "∞" if math.isinf(value) else f"{value:.3g}".replace("e+0", "e")
