"""Intervals and tests for what was counted, intervals for what was measured."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import bdtr, ndtri

from hardlight import checks


class Estimate(NamedTuple):
    """A number measured on ``n`` samples, and its 95 % interval; NaN where there is none."""

    value: float
    n: int
    low: float = math.nan
    high: float = math.nan


def wilson(k: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The score interval of a binomial share (Wilson 1927), without continuity correction.

    ``k`` successes of ``n`` trials, whole numbers or arrays of them; low and high lie in [0, 1] and have their common
    shape. No trials, n = 0, say nothing: (0, 1). Raises ``ValueError`` unless 0 ≤ k ≤ n and 0 < confidence < 1.
    """
    z = _z(confidence)
    successes, trials = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if not np.all((successes >= 0) & (successes <= trials)):
        raise ValueError(f"k must lie between 0 and n, got k = {k!r} and n = {n!r}")
    centre = (successes + z**2 / 2) / (trials + z**2)
    failures = trials - successes
    # k·f/n + z²/4, with 0 for the share of nothing.
    spread = np.divide(successes * failures, trials, out=np.zeros_like(trials), where=trials > 0) + z**2 / 4
    half = z * np.sqrt(spread) / (trials + z**2)
    low = np.where(successes == 0, 0.0, centre - half)  # exact, where rounding would leave 1e-18
    high = np.where(failures == 0, 1.0, centre + half)
    return low, high


def paired_difference(gained: int, lost: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The adjusted Wald interval of the difference of two paired shares (Bonett and Price 2012).

    Of ``n`` pairs, ``gained`` are a success in the second share alone and ``lost`` in the first alone; the difference
    is (gained - lost)/n, second minus first, and low and high lie in [-1, 1]. Raises ``ValueError`` unless the counts
    fit n and 0 < confidence < 1.
    """
    z = _z(confidence)
    if not (gained >= 0 and lost >= 0 and gained + lost <= n):
        raise ValueError(f"gained and lost must be counts of at most n in all, got {gained}, {lost} and n = {n}")
    more, fewer = (gained + 1) / (n + 2), (lost + 1) / (n + 2)  # Laplace's estimates
    half = z * math.sqrt((more + fewer - (more - fewer) ** 2) / (n + 2))
    return max(-1.0, more - fewer - half), min(1.0, more - fewer + half)


def mcnemar(gained: int, lost: int) -> float:
    """The p value of McNemar's exact test (1947): two-sided, conditional on the pairs that differ; 1 if none does."""
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def _z(confidence: float) -> float:
    checks.fraction("confidence", confidence)
    if confidence in (0, 1):
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence!r}")
    return float(ndtri((1 + confidence) / 2))


def bootstrap(values: ArrayLike, seed: int = 0) -> Estimate:
    """The mean of ``values`` (n,) with its bias-corrected and accelerated bootstrap interval (Efron 1987).

    Of 9,999 resamples, the same for the same values in any order. There is no interval below two values, or if one is
    infinite; that of equal values is a point. Needs 40 MiB at n = 10,000. Raises ``ValueError`` as ``median``.
    """
    ordered = np.sort(_numbers(values))
    n = len(ordered)
    mean = math.fsum(ordered) / n if n else math.nan
    if n < 2 or not np.isfinite(ordered).all():
        return Estimate(mean, n)
    if ordered[0] == ordered[-1]:
        return Estimate(mean, n, mean, mean)
    found = stats.bootstrap((ordered,), np.mean, n_resamples=9999, batch=100, method="BCa", rng=seed)
    low, high = map(float, found.confidence_interval)
    return Estimate(mean, n, low, high)


def median(values: ArrayLike) -> Estimate:
    """The median of ``values`` (n,), with two of them as its interval (David and Nagaraja 2003, 7.1).

    They enclose the median with at least 95 %, whatever the distribution; there is no interval below six values.
    Values may be infinite. Raises ``ValueError`` for NaN and for another shape.
    """
    ordered = np.sort(_numbers(values))
    n = len(ordered)
    if not n:
        return Estimate(math.nan, 0)
    left = int(stats.binom.ppf(0.025, n, 0.5))
    interval = (float(ordered[left - 1]), float(ordered[n - left])) if left else ()
    return Estimate(float(np.median(ordered)), n, *interval)


def _numbers(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or np.isnan(array).any():
        raise ValueError(f"values must be numbers (n,), none of them NaN, got {values!r}")
    return array
