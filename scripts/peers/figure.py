"""Strength against passes, a panel for each match."""

from math import ceil, isfinite, sqrt
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

COLUMNS = 5
OURS = "#d62728"
LEAST_SPAN = 8  # times that the passes of a panel reach at least


class Look(NamedTuple):
    """Peers are hollow, each of another shape and size, so that what lies on one point is seen."""

    colour: str
    marker: str
    size: float


PEERS = {
    "ART": Look("#1f77b4", "s", 12),
    "Foolbox": Look("#2ca02c", "D", 8),
    "torchattacks": Look("#e08000", "^", 11),
    "adv-lib": Look("#9467bd", "v", 11),
}


def draw(rows: pd.DataFrame, file: Path) -> None:
    """Passes are forward and backward ones of an image on average; lower left is better everywhere.

    Peers that attacked fewer images than ours are pale: their height is that of those images. One that fooled the net
    with less than half of them has no median, and is named.
    """
    rows = rows[(rows["forward"] > 0) & (rows["peer_forward"] > 0)]
    matches = list(dict.fromkeys(rows["match"]))
    lines = ceil(len(matches) / COLUMNS)
    figure = Figure(figsize=(3.0 * COLUMNS, 2.5 * lines + 0.6), layout="constrained")
    panels = figure.subplots(lines, COLUMNS, squeeze=False).flat
    for panel, match in zip(panels, matches, strict=False):
        _panel(panel, rows[rows["match"] == match])
    for panel in figure.axes[len(matches) :]:
        panel.set_visible(False)
    handles = [Line2D([], [], linestyle="", marker="o", markersize=6, color=OURS, label="hardlight")]
    handles += [Line2D([], [], linestyle="", label=library, **_hollow(look)) for library, look in PEERS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    figure.savefig(file, dpi=110)


def _hollow(look: Look) -> dict[str, object]:
    return {
        "marker": look.marker,
        "markersize": look.size,
        "markeredgecolor": look.colour,
        "markerfacecolor": "none",
        "markeredgewidth": 1.4,
    }


def _panel(panel: Axes, rows: pd.DataFrame) -> None:
    minimal = not rows["budget"].iloc[0]
    match = str(rows["match"].iloc[0])
    failed = []
    for row in rows.drop_duplicates("peer").itertuples():
        strength = row.peer_median if minimal else 100 * (1 - row.peer_success)
        look = PEERS[row.peer.partition(" ")[0]]
        if not isfinite(strength):
            failed.append(f"{row.peer}: {100 * row.peer_success:.0f} % fooled")
            continue
        alpha = 1.0 if row.peer_images == row.images else 0.35
        panel.plot(row.peer_forward + row.peer_backward, strength, linestyle="", alpha=alpha, **_hollow(look))
    for row in rows.sort_values("peer_images", ascending=False, kind="stable").drop_duplicates("ours").itertuples():
        strength = row.median if minimal else 100 * (1 - row.success)
        passes = row.forward + row.backward
        panel.plot(passes, strength, "o", color=OURS, markersize=5, zorder=3)
        label = row.ours.removeprefix(match).lstrip(", ").partition(" by ")[0]
        panel.annotate(label, (passes, strength), (4, 6), textcoords="offset points", fontsize=7, color=OURS)
    panel.text(0.03, 0.95, "\n".join(failed), transform=panel.transAxes, fontsize=7, va="top")
    panel.set_title(match, fontsize=9)
    _passes(panel)
    panel.margins(y=0.25)
    low, high = panel.get_ylim()
    middle, room = (low + high) / 2, 5.0 if not minimal else 0.02 * (low + high) / 2
    panel.set_ylim(min(low, middle - room), max(high, middle + room))
    panel.set_ylabel("median distance" if minimal else "robust accuracy, %", fontsize=8)
    panel.tick_params(labelsize=7)
    panel.grid(alpha=0.3, linewidth=0.5)


def _passes(panel: Axes) -> None:
    points = [float(x) for line in panel.get_lines() for x in line.get_xdata() if x > 0]
    low, high = min(points), max(points)
    room = max(1.5, sqrt(LEAST_SPAN * low / high))
    panel.set_xscale("log")
    panel.set_xlim(low / room, high * room)
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 100 else (1,)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel("passes per image", fontsize=8)
