import numpy as np
import pytest
from scipy.stats import binomtest

from hardlight.statistics import wilson


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
