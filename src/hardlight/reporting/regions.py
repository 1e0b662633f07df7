"""Where nets of two-dimensional data decide for which class, as a picture."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from hardlight.reporting.figures import COLOURS, DPI, save

SIDE = 200  # points along each axis


class Panel(NamedTuple):
    """A ``model`` from (N, 1, 1, 2) in [0, 1] to logits (N, K); points ``x`` (M, 1, 1, 2) of classes ``y`` (M,)."""

    model: Callable[[Tensor], Tensor]
    x: Tensor
    y: Tensor


def decision_regions(panels: Mapping[str, Panel], path: str | Path) -> Path:
    """A square for each of ``panels``, by its name: classes' colours mixed by their probabilities, and the points.

    The black line is where the decision changes.
    """
    side = torch.linspace(0, 1, SIDE)
    grid = torch.cartesian_prod(side, side).reshape(-1, 1, 1, 2)
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.2 * columns, 3.4 * rows), dpi=DPI, layout="constrained")
    squares = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flatten()
    for axes, (name, panel) in zip(squares, panels.items(), strict=False):
        with torch.no_grad():
            share = panel.model(grid).softmax(1)
        colours = [COLOURS[k % len(COLOURS)] for k in range(share.shape[1])]
        paint = 1 - torch.tensor([to_rgb(colour) for colour in colours])
        picture = (1 - 0.6 * share @ paint).reshape(SIDE, SIDE, 3).transpose(0, 1)
        axes.imshow(picture, origin="lower", extent=(0, 1, 0, 1), interpolation="bilinear")
        for k, colour in enumerate(colours):
            lead = share[:, k] - share.scatter(1, torch.full((len(share), 1), k), 0).amax(1)
            axes.contour(side, side, lead.reshape(SIDE, SIDE).T, levels=[0], colors="black", linewidths=0.8)
            axes.scatter(*panel.x[panel.y == k].flatten(1).T, s=7, color=colour, edgecolors="white", linewidths=0.3)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_title(name, fontsize=10)
    for axes in squares[len(panels) :]:
        axes.set_axis_off()
    return save(figure, path)
