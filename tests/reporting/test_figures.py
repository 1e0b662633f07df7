import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from record_rows import row

from hardlight.reporting import accuracy_curves, gallery
from hardlight.reporting.figures import accuracy_figure


def records(attacks=("fgsm", "pgd", "noise"), norm="linf"):
    rows = []
    for run, defense in (("a", "none"), ("b", "gda")):
        facts = {"defense": defense}
        rows.append(row(run, "none", 0.0, 990 - 10 * (run == "b"), **facts))
        for attack in attacks:
            passes = 0.0 if attack == "noise" else 1.0
            rows.append(row(run, attack, 0.2, 100, norm=norm, **facts) | {"metric": "backward_passes", "value": passes})
            for eps in (0.2, 0.1):  # not in order
                rows.append(row(run, attack, eps, int(900 - 1000 * eps), norm=norm, **facts))
        rows.append(row(run, "worst", 0.1, 5, norm=norm, **facts))
    return pd.DataFrame(rows)


def test_curves_hold_the_records():
    (axes,) = accuracy_figure(records()).axes
    lines = axes.get_lines()
    assert len(lines) == 6
    for line, clean in zip(lines, [99.0] * 3 + [98.0] * 3, strict=True):
        np.testing.assert_allclose(line.get_xdata(), [0, 0.1, 0.2])
        np.testing.assert_allclose(line.get_ydata(), [clean, 80, 70])
    assert axes.get_ylim() == (0, 100)
    assert axes.get_xlabel() == "eps (linf)"


def test_a_colour_each_run_and_a_style_each_attack():
    (axes,) = accuracy_figure(records()).axes
    lines = axes.get_lines()
    assert len({to_hex(line.get_color()) for line in lines[:3]}) == 1
    assert lines[0].get_color() != lines[3].get_color()
    assert (
        [line.get_linestyle() for line in lines[:3]] == [line.get_linestyle() for line in lines[3:]] == ["-", "--", ":"]
    )
    assert len({line.get_marker() for line in lines}) == 3


def test_shaded_intervals():
    frame = records()
    (axes,) = accuracy_figure(frame).axes
    (band,) = axes.collections[0].get_paths()
    clean = frame.query("run == 'a' and attack == 'none'").iloc[0]
    at_zero = band.vertices[band.vertices[:, 0] == 0, 1]
    assert {at_zero.min(), at_zero.max()} == {100 * clean["ci_low"], 100 * clean["ci_high"]}


def test_legend_names_runs_and_attacks_beside_the_axes():
    figure = accuracy_figure(records())
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["none · relu", "gda · relu", "fgsm", "pgd", "noise"]
    assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())
    assert figure.get_suptitle() == "mnist · cnn · white-box · n = 1,000"


def test_an_attack_that_looks_for_the_nearest_is_drawn_at_every_eps():
    """Ten images: one is wrong as it is, one is never fooled, the others fall at 0.05, 0.1 and so on to 0.4."""
    facts = {"run": "a", "norm": "linf", "source": "self", "label": 3, "clean_prediction": 3}
    found = pd.DataFrame([facts | {"attack": "fab", "linf": 0.05 * (i + 1)} for i in range(10)])
    found["adversarial_prediction"] = np.where(found.index == 8, 3, 4)
    found.loc[9, "clean_prediction"] = 4
    samples = pd.concat(
        [found.assign(eps=np.inf), found.assign(eps=0.2, linf=0.0), found.assign(attack="pgd", eps=0.2)]
    )
    frame = pd.DataFrame(
        [row("a", "none", 0.0, 9, n=10)]
        + [row("a", attack, eps, k, n=10) for attack in ("fab", "pgd") for eps, k in ((0.2, 5), (0.1, 7))]
    )
    (axes,) = accuracy_figure(frame, samples).axes
    steps, *pointed = axes.get_lines()
    assert steps.get_drawstyle() == "steps-post"
    np.testing.assert_allclose(steps.get_xdata(), [0, 0.05, 0.1, 0.15, 0.2, 0.2])
    np.testing.assert_allclose(steps.get_ydata(), [90, 80, 70, 60, 50, 50])
    for line in pointed:  # the accuracies of the records
        np.testing.assert_allclose(line.get_ydata(), [90, 70, 50])
    assert [line.get_linestyle() for line in pointed] == ["None", "--"]


def test_an_axes_for_each_norm():
    figure = accuracy_figure(pd.concat([records(), records(norm="l2").query("attack != 'none'")]))
    assert [axes.get_xlabel() for axes in figure.axes] == ["eps (linf)", "eps (l2)"]


def test_many_runs_still_differ_in_colour():
    frame = pd.concat([records().query("run == 'a'").assign(run=f"run{i}", seed=i) for i in range(12)])
    (axes,) = accuracy_figure(frame).axes
    assert len({to_hex(line.get_color()) for line in axes.get_lines()}) == 12


def test_curves_on_disk(tmp_path):
    path = accuracy_curves(records(), tmp_path / "figures" / "curves.png")
    assert path == tmp_path / "figures" / "curves.png"
    assert imread(path).shape[:2] == (700, 1200)
    with pytest.raises(ValueError, match="clean accuracy alone"):
        accuracy_curves(records(attacks=()), path)


@pytest.mark.parametrize("channels", [1, 3])
def test_gallery_shows_images_and_differences(tmp_path, monkeypatch, channels):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
    x = np.full((2, channels, 4, 4), 0.5)
    x_adv = x.copy()
    x_adv[0, 0, 1, 2] += 0.2
    x_adv[1, 0, 3, 0] -= 0.1
    path = gallery(
        x,
        x_adv,
        [3, 1],
        tmp_path / "gallery.png",
        clean_prediction=[3, 1],
        adversarial_prediction=[3, 0],
        attack="fgsm",
        eps=0.2,
        adversarial_confidence=[0.5, 0.87],
        class_names=("cat", "dog", "ship", "frog"),
    )
    assert imread(path).size > 0
    axes = np.array(drawn[0].axes).reshape(2, 3)
    assert [each.get_title() for each in axes[0]] == ["clean", "fgsm@0.2", "difference\n× 5 (full scale ±0.2)"]
    assert [each.get_ylabel() for each in axes[:, 0]] == ["true frog", "true dog"]
    assert [each.get_xlabel() for each in axes[:, 1]] == ["→ frog (50 %)", "→ cat (87 %)"]
    assert axes[0, 1].xaxis.label.get_color() != axes[1, 1].xaxis.label.get_color()
    np.testing.assert_allclose(axes[1, 1].images[0].get_array()[3, 0], [0.4] + [0.5] * (channels - 1))
    difference = axes[1, 2].images[0]
    shown = difference.get_array()[3, 0][0] if channels == 3 else difference.norm(difference.get_array())[3, 0]
    assert np.squeeze(shown) == pytest.approx(0.25)  # -0.1 of ±0.2: a quarter up the scale, grey at a half


def test_gallery_refuses_other_shapes(tmp_path):
    facts = {"clean_prediction": [0], "adversarial_prediction": [0], "attack": "fgsm", "eps": 0.1}
    with pytest.raises(ValueError, match=r"x must be images \(N, C, H, W\)"):
        gallery(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)), [0], tmp_path / "g.png", **facts)
    with pytest.raises(ValueError, match="x_adv must have the shape of x"):
        gallery(np.zeros((1, 1, 4, 4)), np.zeros((1, 1, 5, 4)), [0], tmp_path / "g.png", **facts)
