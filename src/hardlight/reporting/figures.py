"""Figures as PNG files: accuracy against eps, and what an attack did to single images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from hardlight.evaluation.columns import eps_word
from hardlight.evaluation.run_folder import write_whole
from hardlight.evaluation.run_labels import run_labels
from hardlight.reporting.accuracies import accuracies, at_every_eps, counts, sources, subject

# Okabe and Ito's colours, told apart by colour-blind readers too; their yellow is too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", "--", "-.", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (10, 3)), (0, (3, 1, 3, 4)))
MARKERS = "os^DvPX*"
DPI = 150


def accuracy_curves(records: pd.DataFrame, path: str | Path, samples: pd.DataFrame | None = None) -> Path:
    """Robust accuracy in % against eps, from the clean accuracy at 0, with its Wilson interval shaded: 1200x700 px.

    A colour for each run, a line style and marker for each attack, dotted for one without gradients; an axes for each
    norm and source. With ``samples`` an attack that looks for the nearest has its accuracy at every eps: a step for
    each image that falls. The per-sample worst case is left out: it lies on the strongest attack, or just below.
    Raises ``ValueError`` if the records hold no attacked accuracy.
    """
    return save(accuracy_figure(records, samples), path)


def accuracy_figure(records: pd.DataFrame, samples: pd.DataFrame | None = None) -> Figure:
    """The figure of ``accuracy_curves``, not yet drawn."""
    rows = accuracies(records)
    attacked = rows[~rows["attack"].isin(["none", "worst"])]
    if attacked.empty:
        raise ValueError("records must hold the robust_accuracy of an attack; these hold clean accuracy alone")
    names = run_labels(rows)
    colours = _colours(list(names))
    styles = _styles(records, list(attacked["attack"].unique()))
    groups = list(attacked.groupby(["source", "norm"], sort=False))
    figure = Figure(figsize=(1200 / DPI, 700 / DPI), dpi=DPI, layout="constrained")
    all_axes = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, ((_, norm), group) in zip(all_axes, groups, strict=True):
        for (run, attack), points in group.groupby(["run", "attack"], sort=False):
            clean = rows[(rows["attack"] == "none") & (rows["run"] == run)]
            steps = None if samples is None else at_every_eps(samples, points)
            points = pd.concat([clean, points.sort_values("eps")])
            _curve(axes, points, steps, colours[str(run)], styles[str(attack)])
        axes.set(xlabel=f"eps ({norm})", ylim=(0, 100), xlim=(0, None))
        axes.grid(color="0.9", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        if len(groups) > 1:
            axes.set_title(sources(group), fontsize=9)
    all_axes[0].set_ylabel("robust accuracy (%)")
    title = [subject(rows), *([] if len(groups) > 1 else [sources(attacked)]), f"n = {counts(attacked['n'])}"]
    figure.suptitle(" · ".join(title), fontsize=11)
    runs = [Line2D([], [], color=colours[run], linewidth=3, label=name) for run, name in names.items()]
    lines = [Line2D([], [], color="0.25", label=attack, **style) for attack, style in styles.items()]
    figure.legend(handles=[*runs, *lines], loc="outside right center", frameon=False, fontsize=9, handlelength=3.2)
    return figure


def gallery(
    x: ArrayLike,
    x_adv: ArrayLike,
    y: ArrayLike,
    path: str | Path,
    *,
    clean_prediction: ArrayLike,
    adversarial_prediction: ArrayLike,
    attack: str,
    eps: float,
    clean_confidence: ArrayLike | None = None,
    adversarial_confidence: ArrayLike | None = None,
    class_names: tuple[str, ...] | None = None,
) -> Path:
    """A row for each sample: the clean image, the attacked one, and their difference, amplified by the factor stated.

    ``x`` and ``x_adv`` are (N, C, H, W) in [0, 1] on the CPU, C 1 or 3; ``y`` and the predictions (N,) int; the
    confidences, shares in [0, 1], (N,). Grey differences are blue where darker, red where brighter; those of colour
    images lie around grey. The largest difference of the gallery fills the scale.
    Raises ``ValueError`` for other shapes.
    """
    clean, attacked = _images("x", x), _images("x_adv", x_adv)
    if clean.shape != attacked.shape:
        raise ValueError(f"x_adv must have the shape of x, {clean.shape}, got {attacked.shape}")
    labels = np.asarray(y)
    columns = [
        _captions(labels, clean_prediction, clean_confidence, class_names),
        _captions(labels, adversarial_prediction, adversarial_confidence, class_names),
    ]
    difference = attacked - clean
    scale = float(np.abs(difference).max()) or 1.0
    n = len(clean)
    figure = Figure(figsize=(5.6, 0.7 + 1.85 * n), dpi=DPI, layout="constrained")
    grid = figure.subplots(n, 3, squeeze=False)
    for row, axes in enumerate(grid):
        _show(axes[0], clean[row], f"true {_class(labels[row], class_names)}", columns[0][row])
        _show(axes[1], attacked[row], None, columns[1][row])
        _show_difference(axes[2], difference[row], scale)
    factor = f"difference\n× {1 / scale:.3g} (full scale ±{scale:.3g})"
    for axes, title in zip(grid[0], ["clean", f"{attack}@{eps_word(eps)}", factor], strict=True):
        axes.set_title(title, fontsize=9)
    return save(figure, path)


def _curve(axes: Axes, points: pd.DataFrame, steps: pd.DataFrame | None, colour: str, style: dict[str, Any]) -> None:
    eps, value, low, high = _percent(points)
    if steps is None:
        axes.fill_between(eps, low, high, color=colour, alpha=0.13, linewidth=0)
    else:
        every, at_every, lowest, highest = _percent(steps)
        axes.fill_between(every, lowest, highest, color=colour, alpha=0.13, linewidth=0, step="post")
        axes.plot(every, at_every, color=colour, drawstyle="steps-post", linestyle=style["linestyle"])
        style = {**style, "linestyle": "none"}
    axes.plot(eps, value, color=colour, markersize=4.5, clip_on=False, **style)


def _percent(line: pd.DataFrame) -> list[NDArray[np.float64]]:
    shares = (100 * line[column].to_numpy(dtype=float) for column in ("value", "ci_low", "ci_high"))
    return [line["eps"].to_numpy(dtype=float), *shares]


def _colours(runs: list[str]) -> dict[str, Any]:
    """The palette while it lasts, then steps of an even one."""
    if len(runs) <= len(COLOURS):
        return dict(zip(runs, COLOURS, strict=False))
    return dict(zip(runs, colormaps["viridis"](np.linspace(0, 0.92, len(runs))), strict=True))


def _styles(records: pd.DataFrame, attacks: list[str]) -> dict[str, dict[str, Any]]:
    passes = records[records["metric"] == "backward_passes"].groupby("attack")["value"].max()
    styles, dashed = {}, 0
    for i, attack in enumerate(attacks):
        blind = passes.get(attack) == 0
        styles[attack] = {
            "linestyle": ":" if blind else DASHES[dashed % len(DASHES)],
            "marker": MARKERS[i % len(MARKERS)],
        }
        dashed += not blind
    return styles


def _images(name: str, values: ArrayLike) -> NDArray[np.float64]:
    images = np.asarray(values, dtype=np.float64)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"{name} must be images (N, C, H, W) with C 1 or 3, got the shape {images.shape}")
    return images.transpose(0, 2, 3, 1)


def _class(label: Any, class_names: tuple[str, ...] | None) -> str:
    return class_names[int(label)] if class_names else str(int(label))


def _captions(
    y: NDArray[Any], prediction: ArrayLike, confidence: ArrayLike | None, class_names: tuple[str, ...] | None
) -> list[tuple[str, bool]]:
    """What is written under each image, and whether the prediction is right."""
    predicted = np.asarray(prediction)
    sure = [""] * len(y) if confidence is None else [f" ({100 * c:.0f} %)" for c in np.asarray(confidence)]
    return [(f"→ {_class(p, class_names)}{c}", bool(p == t)) for p, c, t in zip(predicted, sure, y, strict=True)]


def _show(axes: Axes, image: NDArray[np.float64], label: str | None, caption: tuple[str, bool]) -> None:
    text, right = caption
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(text, color="#000000" if right else "#C03000", fontsize=9, fontweight="normal" if right else "bold")
    if label:
        axes.set_ylabel(label, fontsize=9)


def _show_difference(axes: Axes, difference: NDArray[np.float64], scale: float) -> None:
    if difference.shape[2] == 1:
        axes.imshow(difference, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest")
    else:
        axes.imshow(0.5 + difference / (2 * scale), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(f"linf {np.abs(difference).max():.3g} · l2 {np.linalg.norm(difference):.3g}", fontsize=8)


def save(figure: Figure, path: str | Path) -> Path:
    """``figure`` as a PNG, its folder made where it is not there."""
    return write_whole(Path(path), lambda temporary: figure.savefig(temporary, format="png"))
