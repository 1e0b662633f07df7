"""Two runs beside each other as a figure: each paired difference with its interval, as a forest plot."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from hardlight.reporting.difference_table import row_name, sections
from hardlight.reporting.figures import COLOURS, DPI, save

LINE = 0.28  # inches


def difference_plot(rows: pd.DataFrame, names: tuple[str, str], path: str | Path) -> Path:
    """The rows of ``evaluation.comparison.compare``: B - A in points with its 95 % interval, a line each.

    Filled where the interval leaves out 0; blue where B is right more often, orange where A is.
    """
    return save(difference_figure(rows, names), path)


def difference_figure(rows: pd.DataFrame, names: tuple[str, str]) -> Figure:
    """The figure of ``difference_plot``, not yet drawn."""
    titled = [(title, group.to_dict("records")) for title, group in sections(rows)]
    lines = [line for title, group in titled for line in ([(title, None)] if title else []) + [("", r) for r in group]]
    figure = Figure(figsize=(8, 1.5 + LINE * len(lines)), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    beside = axes.get_yaxis_transform()
    for at, (_, row) in enumerate(lines):
        if row is None:
            continue
        colour = COLOURS[0] if row["difference"] >= 0 else COLOURS[1]
        clear = row["ci_low"] > 0 or row["ci_high"] < 0
        axes.plot([100 * row["ci_low"], 100 * row["ci_high"]], [at, at], color=colour, linewidth=1.8)
        filled = colour if clear else "white"
        axes.plot(100 * row["difference"], at, "o", color=colour, markerfacecolor=filled, markersize=6)
        shares = f"{100 * row['a']:.1f} → {100 * row['b']:.1f}"
        axes.text(1.02, at, shares, transform=beside, va="center_baseline", fontsize=9)
    axes.text(1.02, -1, "A → B, %", transform=beside, va="center_baseline", fontsize=9, color="0.35")
    axes.axvline(0, color="0.4", linewidth=1, zorder=0)
    axes.set_yticks(range(len(lines)), [title if row is None else row_name(row) for title, row in lines])
    for label, (title, _) in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_fontweight("bold" if title else "normal")
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("B - A (points of accuracy, with 95 % interval)\nB less robust ←   → B more robust")
    figure.suptitle(f"A  {names[0]}\nB  {names[1]}", fontsize=10)
    return figure
