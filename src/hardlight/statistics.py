"""Intervals and tests for what was counted."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri

from hardlight import checks


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
