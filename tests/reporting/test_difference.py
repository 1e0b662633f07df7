import io
import math
import re

import pandas as pd
import pytest
from rich.console import Console

from hardlight.evaluation.comparison import COLUMNS
from hardlight.reporting.difference_figure import difference_figure, difference_plot
from hardlight.reporting.difference_table import difference_table, row_name, signed

NAMES = ("none · relu", "gda · brelu")


def row(attack, eps, a, b, low, high, *, norm="linf", source="self", n=10000, p=0.5, label="true"):
    values = [attack, norm, eps, source, label, "robust_accuracy", a, b, b - a, low, high, 1234, 5678, p, n]
    return dict(zip(COLUMNS, values, strict=True))


ROWS = pd.DataFrame(
    [
        row("none", 0.0, 0.99, 0.98, -0.012, 0.001, norm="none", p=0.0731),
        row("fgsm", 0.1, 0.661, 0.823, 0.151, 0.17, p=1e-9),
        row("random_fgsm", 0.05, 1.0, 0.0, -1.0, -0.996, p=1e-300, label="predicted"),
        row("worst", 0.1, 0.5, 0.5, -0.002, 0.002, p=1.0),
        row("carlini_wagner_l2", 3.0, 0.2, 0.3, 0.0001, 0.2, norm="l2", source="outputs/other/best.ckpt"),
    ]
)


def printed(*, styled=False):
    console = Console(width=100, file=io.StringIO(), force_terminal=styled, color_system="standard" if styled else None)
    console.print(difference_table(ROWS, NAMES))
    return console.file.getvalue()


def test_what_it_says():
    lines = [line.split() for line in printed().splitlines()]
    assert lines[:2] == [["A", "none", "·", "relu"], ["B", "gda", "·", "brelu"]]
    counts = ["1,234", "5,678"]
    assert ["clean", "99.0", "98.0", "-1.0", "-1.2", "to", "+0.1", *counts, "0.073", "10,000"] in lines
    assert ["fgsm@0.1", "66.1", "82.3", "+16.2", "+15.1", "to", "+17.0", *counts, "<0.001", "10,000"] in lines
    assert ["worst@0.1", "50.0", "50.0", "0.0", "-0.2", "to", "+0.2", *counts, "1.000", "10,000"] in lines
    assert ["linf", "white-box"] in lines
    note = " ".join(printed().split())
    assert "Each interval and p stands alone" in note
    assert "McNemar's exact test" in note


def test_what_a_minimal_norm_attack_found_is_of_any_eps():
    assert row_name(row("minimal_fgsm", math.inf, 0.5, 0.5, 0.4, 0.6)) == "minimal_fgsm@any"


def test_it_fits_80_columns_on_a_wider_terminal():
    assert max(map(len, printed().splitlines())) <= 80


def test_bold_where_the_interval_leaves_out_nothing():
    assert re.findall(r"\x1b\[1m *([+-]?[\d.]+)\x1b\[0m", printed(styled=True)) == ["+16.2", "-100.0", "+10.0"]


@pytest.mark.parametrize(("share", "text"), [(0.0004, "0.0"), (-0.0004, "0.0"), (0.1234, "+12.3"), (-1, "-100.0")])
def test_signed(share, text):
    assert signed(share) == text


def test_the_figure_holds_the_rows():
    (axes,) = difference_figure(ROWS, NAMES).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    titles = ["linf white-box", "l2 from outputs/other/best.ckpt"]
    assert [label for label in labels if label not in titles] == [
        "clean",
        "fgsm@0.1",
        "random_fgsm@0.05 predicted",
        "worst@0.1",
        "carlini_wagner_l2@3",
    ]
    assert [labels[1], labels[5]] == titles
    intervals = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) == 2]
    assert [list(each) for each in intervals[:2]] == [[-1.2, 0.1], [pytest.approx(15.1), 17.0]]
    points = [line for line in axes.get_lines() if len(line.get_xdata()) == 1]
    assert [point.get_ydata()[0] for point in points] == [0, 2, 3, 4, 6]  # beside their labels
    assert [point.get_markerfacecolor() == "white" for point in points] == [True, False, False, True, False]


def test_the_file(tmp_path):
    assert difference_plot(ROWS, NAMES, tmp_path / "figures" / "a.png").read_bytes().startswith(b"\x89PNG")
