"""Who was fooled by images crafted on whom, as a table: a row for each source, a column for each target."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hardlight.evaluation.columns import ANY, eps_word
from hardlight.reporting.accuracies import counts
from hardlight.reporting.tables import WIDTH, wrapped

LABEL = 28  # of the first column, at most
CELL = 7, 12  # of any other, at least and at most


class Block(NamedTuple):
    """One attack at one eps: robust accuracy in [0, 1], sources by targets."""

    attack: str
    norm: str
    eps: float
    accuracy: pd.DataFrame

    @property
    def title(self) -> str:
        """ "fgsm linf 0.1"; any eps: what a minimal-norm attack found, however far."""
        return f"{self.attack} {self.norm} {eps_word(self.eps)}" + (" eps" if self.eps == ANY else "")


def clean_accuracy(records: pd.DataFrame) -> "pd.Series[float]":
    """Of each net, in their order."""
    rows = records[(records["attack"] == "none") & (records["metric"] == "accuracy")]
    return rows.set_index("run")["value"]


def blocks(records: pd.DataFrame) -> Iterator[Block]:
    """Each attack at each eps, in their order."""
    nets = clean_accuracy(records).index
    for (attack, norm, eps), group in attacked(records).groupby(["attack", "norm", "eps"], sort=False):
        matrix = group.pivot(index="source", columns="run", values="value").loc[nets, nets]
        yield Block(str(attack), str(norm), float(str(eps)), matrix)


def transfer_table(records: pd.DataFrame) -> RenderableType:
    """Robust accuracy in %, at most 80 columns wide; the white-box cells of the diagonal are in brackets."""
    clean = clean_accuracy(records)
    nets = [str(name) for name in clean.index]
    found = list(blocks(records))
    widest = max(len(name) for name in (*nets, *(block.title for block in found), "crafted on"))
    label, cell = min(widest, LABEL), min(max(CELL[0], *(len(name) + 1 for name in nets)), CELL[1])
    room = (WIDTH - label - 2) // (cell + 1)
    parts = [nets[start : start + room] for start in range(0, len(nets), room)]
    table = Table(box=HORIZONTALS, show_header=False, pad_edge=False, padding=0)
    table.add_column(width=label, overflow="fold")
    for _ in range(max(map(len, parts))):
        table.add_column(width=cell, justify="right", overflow="fold")
    for part in parts:
        table.add_row(Text("tested on", style="cyan"), *(Text(f"{name} ", style="cyan") for name in part))
        table.add_row("clean", *(f"{100 * clean[name]:.1f} " for name in part), end_section=True)
        for block in found:
            table.add_row(Text(block.title, style="cyan"))
            for source in nets:
                shares = block.accuracy.loc[[source], part].to_numpy(dtype=float)[0]
                shown = [_cell(share, source == name) for name, share in zip(part, shares, strict=True)]
                table.add_row(source, *shown, end_section=source == nets[-1])
    return Group(table, wrapped(_footnote(records), "dim"))


def _cell(share: float, white_box: bool) -> Text:
    return Text(f"[{100 * share:.1f}]", style="bold") if white_box else Text(f"{100 * share:.1f} ")


def attacked(records: pd.DataFrame) -> pd.DataFrame:
    """The robust accuracies; the worst case over the attacks is left out."""
    return records[~records["attack"].isin(["none", "worst"]) & (records["metric"] == "robust_accuracy")]


def _footnote(records: pd.DataFrame) -> str:
    rows = attacked(records)
    half = ((rows["ci_high"] - rows["ci_low"]) / 2).max()
    distance = (
        " A minimal-norm attack leaves an image that it does not fool its own net with as it is, and so counts there."
        if (rows["eps"] == ANY).any()
        else ""
    )
    return (
        "% right on the clean and on the attacked image. Rows: the net that the images were crafted on; columns: the "
        "net that they were tested on; [in brackets]: the same net, white-box. Each set is crafted once, with the "
        f"attack's whole budget. n: {counts(rows['n'])}; 95 % Wilson intervals of at most ±{100 * half:.1f} "
        f"points.{distance}"
    )
