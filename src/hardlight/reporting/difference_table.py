"""Two runs beside each other as a table: a row for each accuracy, their paired difference with its interval."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd
from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hardlight.evaluation.columns import eps_word
from hardlight.reporting.tables import wrapped

LABEL = 16  # of the first column
WIDTHS = {"A": 5, "B": 5, "B - A": 6, "95 %": 14, "only A": 6, "only B": 6, "p": 6, "n": 6}  # 80 with a space between


def difference_table(rows: pd.DataFrame, names: tuple[str, str]) -> RenderableType:
    """The rows of ``evaluation.comparison.compare`` in percent, 80 columns wide, under what A and B are called.

    A difference whose interval leaves out 0 is bold.
    """
    table = Table(box=HORIZONTALS, header_style="cyan", pad_edge=False, padding=0)
    table.add_column(width=LABEL, overflow="fold")
    for name, width in WIDTHS.items():
        table.add_column(name, width=width, justify="right", overflow="fold")
    for title, group in sections(rows):
        if title:
            table.add_row(Text(title, style="cyan"))
        for row in group.to_dict("records"):
            clear = "bold" if row["ci_low"] > 0 or row["ci_high"] < 0 else ""
            table.add_row(
                Text(row_name(row)),
                f"{100 * row['a']:.1f}",
                f"{100 * row['b']:.1f}",
                Text(signed(row["difference"]), style=clear),
                f"{signed(row['ci_low'])} to {signed(row['ci_high'])}".replace("100.0", "100"),
                f"{row['only_a']:,}",
                f"{row['only_b']:,}",
                "<0.001" if row["p_value"] < 0.001 else f"{row['p_value']:.3f}",
                f"{row['n']:,}",
            )
        table.add_section()
    titles = (wrapped(f"{side}  {name}", "bold") for side, name in zip("AB", names, strict=True))
    return Group(*titles, table, wrapped(_footnote(rows), "dim"))


def sections(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The clean row without a title, then the rows of each norm and source: "linf white-box"."""
    for (norm, source), group in rows.groupby(["norm", "source"], sort=False):
        where = "white-box" if source == "self" else f"from {source}"
        yield ("" if norm == "none" else f"{norm} {where}"), group


def row_name(row: Mapping[Hashable, Any]) -> str:
    """ "fgsm@0.1", and the label where it is not the true one."""
    label = "" if row["label"] == "true" else f" {row['label']}"
    return "clean" if row["attack"] == "none" else f"{row['attack']}@{eps_word(row['eps'])}{label}"


def signed(share: float) -> str:
    """In percentage points; what rounds to nothing has no sign."""
    return "0.0" if abs(share) < 0.0005 else f"{100 * share:+.1f}"


def _footnote(rows: pd.DataFrame) -> str:
    worst = " worst: right under every attack up to the eps." if (rows["attack"] == "worst").any() else ""
    return (
        "% right on the clean and on the attacked image, over the n samples that both runs were tested on. B - A: the "
        "paired difference in points, with the 95 % interval of Bonett and Price (2012), bold where that leaves out 0. "
        f"only A, only B: samples right in that run alone. p: McNemar's exact test.{worst} "
        "Each interval and p stands alone: of twenty differences that are none, one is expected to look like one."
    )
