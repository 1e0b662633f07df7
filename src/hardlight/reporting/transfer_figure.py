"""Who was fooled by images crafted on whom, as heat maps: one for each attack and eps."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from hardlight.reporting.accuracies import counts, subject
from hardlight.reporting.figures import DPI, save
from hardlight.reporting.transfer_table import Block, attacked, blocks, clean_accuracy

CELL = 0.55  # inches
COLOURS = "viridis"


def transfer_heat_maps(records: pd.DataFrame, path: str | Path) -> Path:
    """Robust accuracy in %, sources by targets, clean on top; the white-box diagonal is framed.

    A row of maps for each attack, one beside the other for its eps.
    """
    return save(transfer_figure(records), path)


def transfer_figure(records: pd.DataFrame) -> Figure:
    """The figure of ``transfer_heat_maps``, not yet drawn."""
    clean = clean_accuracy(records)
    grid: dict[tuple[str, str], list[Block]] = {}
    for block in blocks(records):
        grid.setdefault((block.attack, block.norm), []).append(block)
    rows, columns = len(grid), max(map(len, grid.values()))
    name = 0.09 * max(len(str(net)) for net in clean.index)
    side = CELL * len(clean)
    size = (1.6 + name + columns * (side + 0.35), 1.2 + name + rows * (side + CELL + 0.6))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for row, found in zip(axes, grid.values(), strict=True):
        for at, each in enumerate(row):
            each.set_visible(at < len(found))
            if at < len(found):
                image = _map(each, found[at], clean)
        row[0].set_ylabel("crafted on")
    for each in axes[-1]:
        each.set_xlabel("tested on")
    n = counts(attacked(records)["n"])
    figure.suptitle(f"{subject(records)} · n = {n} · framed: white-box", fontsize=11)
    figure.colorbar(image, ax=axes, label="robust accuracy (%)", shrink=0.8)
    return figure


def _map(axes: Axes, block: Block, clean: "pd.Series[float]") -> AxesImage:
    values = 100 * pd.concat([clean.to_frame("clean").T, block.accuracy]).to_numpy(dtype=float)
    image = axes.imshow(values, cmap=COLOURS, vmin=0, vmax=100)
    for (source, target), value in np.ndenumerate(values):
        axes.text(target, source, f"{value:.1f}", ha="center", va="center", color="white" if value < 60 else "black")
    for at in range(len(clean)):
        axes.add_patch(Rectangle((at - 0.45, at + 0.55), 0.9, 0.9, fill=False, edgecolor="#D55E00", linewidth=2.5))
    axes.axhline(0.5, color="white", linewidth=4)
    nets = [str(net) for net in clean.index]
    axes.set_xticks(range(len(nets)), nets, rotation=90 if max(map(len, nets)) > 6 else 0)
    axes.set_yticks(range(len(nets) + 1), ["clean", *nets])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(block.title.replace(" ", "\n", 1), fontsize=10)  # which fits above two nets too
    return image
