"""The benchmark's ways measure one thing, by its own reference."""

from pathlib import Path

import pytest

from hardlight.metrics import training_set_distance

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_the_ways_agree(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import bench_metrics

    x, train = bench_metrics.images(Path(), quick=True)
    assert (len(x), len(train)) == (100, 6000)
    exact = bench_metrics.in_float64(x, train).numpy()
    for way, error in ((training_set_distance, 1e-9), (bench_metrics.chunked_cdist, 1e-4)):
        assert way(x, train).numpy() == pytest.approx(exact, rel=error)
        assert min(bench_metrics.Measured(way, x, train).turn()) > 0
