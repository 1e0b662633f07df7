"""The comparison of runs as a table: rows are defenses, columns the clean images and each attack at each eps."""

import textwrap
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hardlight.evaluation.run_labels import run_labels
from hardlight.reporting.accuracies import accuracies, counts, sources, subject

WIDTH = 80
LABEL = 22  # of the label column, at most
CELL = 9, 12  # of any other, at least and at most: "98.1–99.2"


class Column(NamedTuple):
    """What one column of the table shows; norm and source are empty for the clean images."""

    attack: str
    eps: float
    norm: str
    source: str


CLEAN = Column("none", 0.0, "", "")


def comparison_table(records: pd.DataFrame) -> RenderableType:
    """Accuracy in % with its interval below, at most 80 columns wide; the best of each column is bold.

    One row for each run; what does not fit beside each other stands below each other, an eps at a time, each part with
    the clean accuracy again. The per-sample worst case is shown where there is more than one attack to take it over.
    Raises ``ValueError`` if the records hold no accuracy.
    """
    rows = accuracies(records)
    names = run_labels(rows)
    cells = _cells(rows)
    columns = _columns(rows)
    cell = min(max([CELL[0], *(len(column.attack) for column in columns)]), CELL[1])
    label = min(max(len(name) for name in names.values()), LABEL)
    room = (WIDTH - label - 3) // (cell + 2)
    table = Table(box=HORIZONTALS, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(width=label, overflow="fold")
    parts = list(_parts(columns, room))
    for _ in range(max(map(len, parts))):
        table.add_column(width=cell, justify="right", overflow="fold")
    for part in parts:
        table.add_row(
            Text(_heading(part, columns), style="cyan"), *(_head(column) for column in part), end_section=True
        )
        best = {column: _best(cells[column]) for column in part}
        for run, name in names.items():
            shown = [_cell(cells[column].get(run), best[column]) for column in part]
            table.add_row(Text(name), *shown, end_section=run == list(names)[-1])
    return Group(wrapped(_title(rows), "bold"), table, wrapped(_footnote(rows), "dim"))


def wide(records: pd.DataFrame) -> pd.DataFrame:
    """A row for each run: its facts, then accuracy, ``ci_low``, ``ci_high`` and ``n`` of clean and each attack@eps.

    Shares in [0, 1]; what was not measured is NaN. For CSV and W&B.
    """
    rows = accuracies(records)
    facts = rows.drop_duplicates("run").set_index("run")[["data", "model", "activation", "defense", "seed", "form"]]
    columns = _columns(rows)
    cells = _cells(rows)
    values = {}
    for column in columns:
        for value in ("value", "ci_low", "ci_high", "n"):
            suffix = "" if value == "value" else f" {value}"
            each = {run: row[value] for run, row in cells[column].items()}
            values[_name(column, columns) + suffix] = pd.Series(each, dtype="float64")
    return pd.concat([facts, pd.DataFrame(values, index=facts.index)], axis=1).reset_index()


def _cells(rows: pd.DataFrame) -> dict[Column, dict[str, pd.Series]]:
    cells: dict[Column, dict[str, pd.Series]] = {}
    for _, row in rows.iterrows():
        column = CLEAN if row["attack"] == "none" else Column(row["attack"], row["eps"], row["norm"], row["source"])
        cells.setdefault(column, {})[row["run"]] = row
    cells.setdefault(CLEAN, {})
    return cells


def _columns(rows: pd.DataFrame) -> list[Column]:
    """Clean first, then by source, norm and eps, the worst case last of each where it is over more than one attack."""
    keys = list(rows.loc[rows["attack"] != "none", list(Column._fields)].itertuples(index=False, name=None))
    seen = [Column(*key) for key in dict.fromkeys(keys)]
    order = {(column.source, column.norm): i for i, column in reversed(list(enumerate(seen)))}
    together = [column[1:] for column in seen if column.attack != "worst"]
    seen = [column for column in seen if column.attack != "worst" or together.count(column[1:]) > 1]
    seen.sort(key=lambda column: (order[column.source, column.norm], column.eps, column.attack == "worst"))
    return [CLEAN, *seen]


def _parts(columns: list[Column], room: int) -> Iterator[list[Column]]:
    """All columns at once if there is room for them and one norm and source; else eps by eps, and split again."""
    attacked = columns[1:]
    if len(columns) <= room and len({column[2:] for column in attacked}) <= 1:
        yield columns
        return
    for group in dict.fromkeys(column[1:] for column in attacked):
        alike = [column for column in attacked if column[1:] == group]
        for start in range(0, len(alike), room - 1):
            yield [CLEAN, *alike[start : start + room - 1]]


def _heading(part: list[Column], columns: list[Column]) -> str:
    """What all of a part's columns have in common, where the parts differ in it."""
    first, lines = part[-1], []
    if len({column.eps for column in part[1:]}) == 1:
        lines.append(f"{first.norm} {first.eps:.4g}")
    elif first.norm:
        lines.append(first.norm)
    if len({column.source for column in columns[1:]}) > 1:
        lines.append("white-box" if first.source == "self" else f"from {first.source}")
    return "\n".join(lines)


def _head(column: Column) -> Text:
    name = "clean" if column == CLEAN else f"{column.attack}\n@{column.eps:.4g}"
    return Text(name, style="cyan")


def _name(column: Column, columns: list[Column]) -> str:
    if column == CLEAN:
        return "clean"
    norm = f" {column.norm}" if len({each.norm for each in columns[1:]}) > 1 else ""
    source = "" if column.source == "self" else f" from {column.source}"
    return f"{column.attack}@{column.eps:.4g}{norm}{source}"


def _best(cells: dict[str, pd.Series]) -> str | None:
    """The highest percentage as it is printed, so that what looks equal is equally bold; None if nothing compares."""
    values = [row["value"] for row in cells.values() if pd.notna(row["value"])]
    return _percent(max(values)) if len(values) > 1 else None


def _cell(row: pd.Series | None, best: str | None) -> Text:
    if row is None or pd.isna(row["value"]):
        return Text("–")
    value = _percent(row["value"])
    interval = f"{_percent(row['ci_low'])}–{_percent(row['ci_high'])}".replace("100.0", "100")
    return Text.assemble((value, "bold" if value == best else ""), "\n", (interval, "dim"))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _title(rows: pd.DataFrame) -> str:
    return " · ".join(filter(None, [subject(rows), sources(rows)]))


def _footnote(rows: pd.DataFrame) -> str:
    there = {column.attack for column in _columns(rows)}
    n = {str(name): group["n"] for name, group in rows.groupby("attack", sort=False) if name in there}
    several = sorted(n, key=lambda name: (name != "none", name == "worst"))
    counted = ", ".join(f"{'clean' if name == 'none' else name} {counts(n[name])}" for name in several)
    attacked = " and on the attacked" if there != {"none"} else ""
    note = f"% right on the clean{attacked} image, 95 % Wilson interval below; "
    note += "worst: right under every attack up to the eps, per sample. " if "worst" in n else ""
    differ = rows[~rows["attack"].isin(["none", "worst"])].groupby("attack", sort=False)["label"].nunique()
    mixed = "".join(f" {name} moves away from another label in some runs." for name in differ.index[differ > 1])
    return f"{note}n: {counted}.{mixed}"


def wrapped(text: str, style: str) -> Text:
    """``text`` in lines of at most the table's width, on a wider terminal too."""
    return Text("\n".join(textwrap.wrap(text, WIDTH)), style=style)
