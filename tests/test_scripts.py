"""The scripts that make the committed results still run."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml

from hardlight import config

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def scripts(monkeypatch) -> Iterator[Callable[[str], ModuleType]]:
    """Modules of the scripts' folder, forgotten afterwards."""
    monkeypatch.syspath_prepend(SCRIPTS)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(SCRIPTS)):
            del sys.modules[name]


def test_the_benchmark_times_our_fit_and_the_bare_loop(scripts) -> None:
    config.register()
    bench = scripts("bench_training")
    for seconds in (bench.fit(1), bench.bare_loop(1)):
        assert all(each > 0 for each in seconds)


def test_runs_are_collected(hardlight, npz, tmp_path) -> None:
    folder = hardlight("train", *npz["gray"], "debug=fast", "attack=[fgsm,pgd]", "attack.pgd.steps=2")
    out = tmp_path / "result"
    command = [sys.executable, SCRIPTS / "collect_results.py", folder, out, "--command", "hardlight train"]
    subprocess.run(command, check=True, capture_output=True)
    assert {each.name for each in out.iterdir()} == {"accuracy.png", "made.yaml", "records.csv", "table.txt"}
    made = yaml.safe_load((out / "made.yaml").read_text(encoding="utf-8"))
    assert made["command"] == "hardlight train"
    assert list(made["runs"]) == [folder.parent.name]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "fgms"], "no match has fgms in its name; they are noise, fgsm linf, "),
        (["--limit", "0"], "--limit must be above 0 seconds, got 0"),
        (["--quick", "--ckpt", "nowhere.ckpt"], "--ckpt: no checkpoint at nowhere.ckpt"),
    ],
)
def test_the_attacks_benchmark_says_what_is_wrong(scripts, monkeypatch, capsys, arguments, told) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))  # in which it sets the number of threads
    bench = scripts("bench_attacks")
    monkeypatch.setattr(sys, "argv", ["bench_attacks.py", *arguments])
    with pytest.raises(SystemExit) as raised:
        bench.main()
    assert raised.value.code == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_peer_that_is_not_installed_is_told(scripts, monkeypatch) -> None:
    installed = scripts("peers.installed")
    monkeypatch.setattr(installed, "PACKAGES", {"Nobody": ("no_such_library", "no-such-library")})
    assert installed.peers() == (
        {},
        ["Nobody is left out, as no_such_library is not installed: ./scripts/setup bench"],
    )


def judged(scripts, distances: list[float], eps: float | None = None):
    distance = np.array(distances)
    return scripts("peers.judge").Judged(np.isfinite(distance), distance, eps)


@pytest.mark.parametrize(
    ("ours", "theirs", "strength"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 9.0], "equal"),
        ([1.0, 2.003, 3.0], [1.0, 2.0, 3.0], "weaker"),
        ([1.0, 1.997, 3.0], [1.0, 2.0, 3.0], "stronger"),
        ([1.0, 1.5, inf], [1.0, 2.0, 3.0], "weaker"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, inf], "stronger"),
        ([1.0, 2.1, 3.0], [1.0, 2.0, inf], "weaker"),
        ([1.0, 2.0, inf, inf], [1.0, 2.0], "equal"),  # on the images that both attacked
    ],
)
def test_minimal_norms_are_told_apart_by_success_and_median(scripts, ours, theirs, strength) -> None:
    compare = scripts("peers.judge").compare
    assert compare(judged(scripts, ours), judged(scripts, theirs)) == strength


def test_a_mean_within_its_tolerance_is_equal(scripts) -> None:
    compare = scripts("peers.judge").compare
    ours, theirs = judged(scripts, [1.0, 1.0, 2.5]), judged(scripts, [1.0, 1.2, 2.29])
    assert compare(ours, theirs, statistic="mean", tolerance=0.005) == "equal"
    assert compare(ours, theirs, statistic="mean", tolerance=0.001) == "weaker"


def test_within_a_budget_survivors_are_counted(scripts) -> None:
    compare = scripts("peers.judge").compare
    fewer, more = judged(scripts, [0.1] * 9 + [inf], 0.1), judged(scripts, [0.1] * 8 + [inf] * 2, 0.1)
    assert [compare(fewer, more), compare(more, fewer), compare(more, more)] == ["stronger", "weaker", "equal"]
    assert [compare(more, fewer, chance=True), compare(fewer, more, chance=True)] == ["alike", "alike"]
    many = judged(scripts, [inf] * 10, 0.1)
    assert [compare(many, fewer, chance=True), compare(fewer, many, chance=True)] == ["weaker", "stronger"]


def test_every_library_is_judged_by_the_final_image(scripts) -> None:
    judge = scripts("peers.judge").judge
    x, y = torch.full((6, 1, 1, 2), 0.4), torch.zeros(6, dtype=torch.long)
    x_adv = x.clone()
    x_adv[0, ..., 1] = 0.6  # fools, within eps
    x_adv[1, ..., 1] = 0.8  # fools, beyond eps
    x_adv[2, ..., 1] = 1.1  # fools, out of the box
    x_adv[3, ..., 1] = torch.nan
    x_adv[4, ..., 0] = 0.45  # changed in vain
    found = judge(lambda x: (x - 0.01 * torch.tensor([0.0, 1.0])).flatten(1), x, x_adv, y, None, "linf", 0.3)
    assert found.fooled.tolist() == [True, False, False, False, False, False]
    assert found.outside == 3
    minimal = judge(lambda x: (x - 0.01 * torch.tensor([0.0, 1.0])).flatten(1), x, x_adv, y, None, "linf", None)
    assert minimal.fooled.tolist() == [True, True, False, False, False, False]
    assert minimal.distance[:2] == pytest.approx([0.2, 0.4])
    assert (minimal.outside, minimal.relapsed) == (2, 1)


def test_pixels_that_rounding_moved_are_not_counted(scripts) -> None:
    x, y = torch.full((1, 1, 1, 3), 0.4), torch.zeros(1, dtype=torch.long)
    x_adv = x + torch.tensor([0.0, 0.2, 1e-6])
    found = scripts("peers.judge").judge(lambda x: x.flatten(1), x, x_adv, y, None, "l0", None)
    assert found.distance.tolist() == [1.0]


def test_disagreements_are_listed_in_both_directions(scripts) -> None:
    disagreements = scripts("peers.judge").disagreements
    ours, theirs = judged(scripts, [1.0, inf, 2.0, 1.05, inf]), judged(scripts, [inf, 1.0, 1.0, 1.0, inf])
    assert disagreements(ours, theirs) == [(0, "1", "survived"), (1, "survived", "1"), (2, "2", "1")]
    fixed = judged(scripts, [1.0, inf, 2.0], 3.0), judged(scripts, [inf, inf, 1.0], 3.0)
    assert disagreements(*fixed) == [(0, "1", "survived")]


def test_strength_is_owed_within_three_images_or_two_percent(scripts) -> None:
    strength = scripts("peers.strength")
    theirs = judged(scripts, [0.1] * 10, 0.1)
    assert strength.met(judged(scripts, [0.1] * 7 + [inf] * 3, 0.1), theirs)
    assert not strength.met(judged(scripts, [0.1] * 6 + [inf] * 4, 0.1), theirs)
    assert strength.met(judged(scripts, [1.02] * 5), judged(scripts, [1.0] * 5))
    assert not strength.met(judged(scripts, [1.03] * 5), judged(scripts, [1.0] * 5))


def test_the_yardstick_is_the_fastest_peer_of_our_strength(scripts) -> None:
    speed, benchmark = scripts("peers.speed"), scripts("benchmark")

    def run(images_per_second: float, distances: list[float]):
        way = benchmark.Way("", 1, lambda: (1.0, 1.0), cpu=[images_per_second])
        return speed.Run(None, judged(scripts, distances), 0, 0, 0, 0, way)

    slow, fast, weak = run(1, [1.0, 1.0]), run(2, [1.0, 1.0]), run(3, [2.0, inf])
    assert speed.yardstick([slow, fast, weak], ["equal", "weaker", "stronger"], cpu=True) is fast
    assert speed.yardstick([weak, slow], ["stronger", "stronger"], cpu=True) is slow
    assert speed.yardstick([], [], cpu=True) is None
    assert speed.reached(0.97, 1.01, 1.0)
    assert not speed.reached(0.97, 0.99, 1.0)
    assert not speed.reached(1.9, 2.1, 2.0)


def test_passes_are_counted_whoever_makes_them(scripts) -> None:
    net = torch.nn.Linear(2, 3)
    with scripts("peers.passes").counted(net) as passes:
        logits = net(torch.zeros(5, 2, requires_grad=True))
        logits.sum().backward(retain_graph=True)
        logits[:, 0].sum().backward()
        with torch.no_grad():
            net(torch.zeros(2, 2))
    assert (passes.forward, passes.backward) == (7, 10)
    net(torch.zeros(1, 2))
    assert passes.forward == 7


def test_an_interrupted_run_goes_on_where_it_was(scripts, tmp_path) -> None:
    kept = scripts("peers.kept").Kept
    first = kept(tmp_path / "speed.part", {"net": "a"})
    first.keep("fgsm", [{"ratio": 1.5}])
    again = kept(tmp_path / "speed.part", {"net": "a"})
    assert "fgsm" in again
    assert again["fgsm"] == [{"ratio": 1.5}]
    assert "fgsm" not in kept(tmp_path / "speed.part", {"net": "b"})


def test_what_an_interval_of_ratios_needs(scripts) -> None:
    spread = scripts("benchmark").spread
    assert spread([2.0, 2.0, 2.0], [1.0, 1.0, 1.0]) == (2.0, 2.0)
    assert all(np.isnan(spread([2.0], [1.0])))


def test_the_peak_of_memory_is_what_was_held_at_once(scripts) -> None:
    peak_mib = scripts("benchmark").peak_mib
    result, peak = peak_mib(lambda: torch.ones(32 * 2**18).sum().item())
    assert result == 32 * 2**18
    assert np.isnan(peak) or 31 < peak < 40
