import io

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle
from record_rows import row
from rich.console import Console

from hardlight.reporting.transfer_figure import transfer_figure, transfer_heat_maps
from hardlight.reporting.transfer_table import transfer_table

NETS = ("cnn", "resnet", "gda+ls")


def records(nets=NETS, attacks=(("fgsm", (0.1, 0.2)), ("l2", (0.5,))), n=1000):
    rows = [row(net, "none", 0.0, n - at, n) for at, net in enumerate(nets)]
    for attack, grid in attacks:
        for eps in grid:
            for target, at in zip(nets, range(len(nets)), strict=True):
                for source, other in zip(nets, range(len(nets)), strict=True):
                    k = 100 * other + 10 * at + int(10 * min(eps, 1))
                    rows.append(row(target, attack, eps, k, n, source=source, norm="l2" if attack == "l2" else "linf"))
                    rows.append(row(target, "worst", eps, 0, n, source=source))
    return pd.DataFrame(rows)


def printed(frame, width=100):
    console = Console(width=width, file=io.StringIO())
    console.print(transfer_table(frame))
    return console.file.getvalue()


def test_sources_below_each_other_targets_beside():
    lines = [line.split() for line in printed(records()).splitlines()]
    at = lines.index(["fgsm", "linf", "0.1"])
    assert lines[1:3] == [["tested", "on", *NETS], ["clean", "100.0", "99.9", "99.8"]]
    assert lines[at + 1 : at + 4] == [
        ["cnn", "[0.1]", "1.1", "2.1"],
        ["resnet", "10.1", "[11.1]", "12.1"],
        ["gda+ls", "20.1", "21.1", "[22.1]"],
    ]
    assert ["l2", "l2", "0.5"] in lines
    assert "worst" not in printed(records())
    note = " ".join(printed(records()).split())
    assert "n: 1,000; 95 % Wilson intervals of at most ±2.6 points." in note
    assert "minimal-norm" not in note


def test_many_nets_fit_80_columns_in_parts():
    nets = tuple(f"a-long-name-{at}" for at in range(9))
    out = printed(records(nets))
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("tested on ") == 2


def test_what_a_minimal_norm_attack_found_at_any_distance():
    out = printed(records(attacks=[("deepfool", (0.1, np.inf))]))
    assert "deepfool linf any eps" in out
    assert "A minimal-norm attack leaves an image" in " ".join(out.split())


def test_heat_maps_hold_the_records():
    figure = transfer_figure(records())
    maps = [axes for axes in figure.axes if axes.get_visible() and axes.images]
    assert [axes.get_title() for axes in maps] == ["fgsm\nlinf 0.1", "fgsm\nlinf 0.2", "l2\nl2 0.5"]
    values = np.asarray(maps[1].images[0].get_array())
    np.testing.assert_allclose(values, [[100, 99.9, 99.8], [0.2, 1.2, 2.2], [10.2, 11.2, 12.2], [20.2, 21.2, 22.2]])
    assert [text.get_text() for text in maps[1].texts] == [f"{value:.1f}" for value in values.flat]
    assert [label.get_text() for label in maps[0].get_yticklabels()] == ["clean", *NETS]
    frames = [patch for patch in maps[0].patches if isinstance(patch, Rectangle)]
    assert [(round(each.get_x() + 0.45), round(each.get_y() + 0.45)) for each in frames] == [(0, 1), (1, 2), (2, 3)]


def test_the_file(tmp_path):
    assert transfer_heat_maps(records(), tmp_path / "figures" / "a.png").read_bytes().startswith(b"\x89PNG")
