import tracemalloc

import numpy as np
import pytest
import scipy
from scipy.stats import binomtest

from hardlight.statistics import bootstrap, mcnemar, median, paired_difference, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 50), (50, 50), (3, 7), (610, 1000), (9999, 10000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_as_scipy_computes_it(k, n, confidence):
    reference = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_by_hand():
    # k = 8, n = 10, z² = 3.8415: centre (8 + 1.92073)/13.8415, half 1.96·sqrt(1.6 + 0.96036)/13.8415.
    low, high = wilson(8, 10)
    assert float(low) == pytest.approx(0.49016, abs=1e-4)
    assert float(high) == pytest.approx(0.94332, abs=1e-4)


def test_arrays_as_one_by_one():
    k, n = np.array([[0, 3], [7, 0]]), np.array([[9, 9], [9, 0]])
    low, high = wilson(k, n)
    for at in np.ndindex(2, 2):
        assert (low[at], high[at]) == wilson(k[at], n[at])
    assert (low[1, 1], high[1, 1]) == (0, 1)


def test_the_ends_are_exact():
    assert wilson(0, 777)[0] == 0
    assert wilson(777, 777)[1] == 1


@pytest.mark.parametrize(("k", "n"), [(3, 2), (-1, 2), ([1, 5], 4)])
def test_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match="k must lie between 0 and n"):
        wilson(k, n)


@pytest.mark.parametrize("confidence", [0, 1, 1.5, 95])
def test_refuses_confidence_outside(confidence):
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence)


# (gained, lost, n) and the interval printed: Fagerland, Lydersen, Laake 2014, their airway hyper-responsiveness before
# and after a transplantation, and their complete response before and after a therapy.
PUBLISHED = {(1, 7, 21): (-0.508, -0.013), (6, 16, 161): (-0.1195, -0.0032)}


@pytest.mark.parametrize("counts", PUBLISHED)
def test_a_paired_difference_as_published(counts):
    assert paired_difference(*counts) == pytest.approx(PUBLISHED[counts], abs=5e-4)


@pytest.mark.parametrize(("gained", "lost"), [(0.02, 0.02), (0.1, 0.02), (0.3, 0.05), (0.001, 0.001), (0.0, 0.6)])
@pytest.mark.parametrize("n", [50, 1000])
def test_a_paired_difference_covers_what_it_should(gained, lost, n):
    rng = np.random.default_rng(0)
    draws = rng.multinomial(n, [gained, lost, 1 - gained - lost], size=4000)
    intervals = [paired_difference(int(more), int(fewer), n) for more, fewer, _ in draws]
    covered = np.mean([low <= gained - lost <= high for low, high in intervals])
    assert covered > 0.937  # 0.95, less Bonett and Price's own shortfall and four standard errors of 4000 draws


def test_a_paired_difference_turns_around_with_its_sides():
    low, high = paired_difference(30, 4, 100)
    assert paired_difference(4, 30, 100) == pytest.approx((-high, -low))
    assert low < (30 - 4) / 100 < high


def test_no_pairs_say_nothing():
    assert paired_difference(0, 0, 0) == (-1, 1)
    assert mcnemar(0, 0) == 1


@pytest.mark.parametrize("counts", [(3, 2, 4), (-1, 2, 4), (1, -1, 4)])
def test_a_paired_difference_refuses_impossible_counts(counts):
    with pytest.raises(ValueError, match="counts of at most n"):
        paired_difference(*counts)


@pytest.mark.parametrize(("gained", "lost"), [(1, 0), (5, 5), (6, 16), (0, 300), (1234, 1100)])
def test_mcnemar_as_scipy_computes_it(gained, lost):
    assert mcnemar(gained, lost) == pytest.approx(binomtest(gained, gained + lost).pvalue, rel=1e-9)


def test_mcnemar_as_published():
    assert mcnemar(6, 16) == pytest.approx(0.052479, abs=1e-6)  # the therapy again


class TestBootstrap:
    def test_as_the_normal_interval_of_many_values(self):
        values = np.random.default_rng(0).exponential(2.0, 10_000)
        half = 1.959964 * values.std(ddof=1) / 100
        value, n, low, high = bootstrap(values)
        assert (value, n) == (pytest.approx(values.mean(), rel=1e-12), 10_000)
        assert (low, high) == pytest.approx((value - half, value + half), abs=0.1 * half)

    def test_skewed_values_move_both_ends(self):
        """Beside the plain percentiles of the very same resamples."""
        values = np.sort(np.random.default_rng(0).lognormal(0, 1.5, 200))
        plain = scipy.stats.bootstrap((values,), np.mean, batch=100, method="percentile", rng=0).confidence_interval
        _, _, low, high = bootstrap(values)
        assert low > plain.low + 0.01
        assert high > plain.high + 0.01

    def test_the_same_again_and_in_any_order(self):
        values = np.random.default_rng(0).random(101)
        assert bootstrap(values) == bootstrap(values) == bootstrap(values[::-1])
        assert bootstrap(values, seed=1)[2:] != bootstrap(values)[2:]

    def test_covers_the_mean_as_often_as_it_says(self):
        draws = np.random.default_rng(1).exponential(1.0, (200, 50))
        covered = np.mean([low <= 1 <= high for _, _, low, high in map(bootstrap, draws)])
        assert 0.89 <= covered <= 0.985  # 0.95, less what BCa falls short of so few, ± 3 standard errors

    def test_few_values(self):
        assert str(bootstrap([])) == "Estimate(value=nan, n=0, low=nan, high=nan)"
        assert str(bootstrap([2.5])) == "Estimate(value=2.5, n=1, low=nan, high=nan)"
        assert bootstrap([2.5] * 9) == (2.5, 9, 2.5, 2.5)
        value, n, low, high = bootstrap([1.0, 2.0])
        assert (value, n) == (1.5, 2)
        assert 1 <= low <= 1.5 <= high <= 2

    def test_an_infinite_value_leaves_no_interval(self):
        assert str(bootstrap([1.0, np.inf])) == "Estimate(value=inf, n=2, low=nan, high=nan)"

    def test_memory_stays_within_bounds(self):
        values = np.random.default_rng(0).random(10_000)
        tracemalloc.start()
        bootstrap(values)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40 * 2**20


class TestMedian:
    def test_between_order_statistics_as_tabled(self):
        """n = 20 takes the 6th and the 15th of them, n = 6 the least and the greatest (Conover 1999, table A3)."""
        assert median(np.arange(1, 21)[::-1]) == (10.5, 20, 6, 15)
        assert median([3, 1, 2, 6, 5, 4]) == (3.5, 6, 1, 6)

    @pytest.mark.parametrize("n", range(1, 6))
    def test_no_interval_of_five(self, n):
        value, count, low, high = median(np.arange(n))
        assert (value, count) == ((n - 1) / 2, n)
        assert np.isnan([low, high]).all()

    def test_no_values(self):
        assert str(median([])) == "Estimate(value=nan, n=0, low=nan, high=nan)"

    def test_infinite_values(self):
        assert median([1.0, 2.0, np.inf, np.inf, np.inf, 3.0]) == (np.inf, 6, 1.0, np.inf)
        assert median([np.inf] * 8)[0] == np.inf

    @pytest.mark.parametrize("n", [10, 101])
    def test_covers_the_median_at_least_as_often_as_it_says(self, n):
        draws = np.random.default_rng(0).exponential(1.0, (2000, n))
        covered = np.mean([low <= np.log(2) <= high for _, _, low, high in map(median, draws)])
        assert 0.94 <= covered <= 0.99


@pytest.mark.parametrize("estimate", [bootstrap, median])
@pytest.mark.parametrize("bad", [[1.0, np.nan], [[1.0, 2.0]], 3.0])
def test_estimates_refuse(estimate, bad):
    with pytest.raises(ValueError, match=r"numbers \(n,\)"):
        estimate(bad)
