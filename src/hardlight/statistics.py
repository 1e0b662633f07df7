"""Intervals for what was counted."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from hardlight import checks


def wilson(k: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The score interval of a binomial share (Wilson 1927), without continuity correction.

    ``k`` successes of ``n`` trials, whole numbers or arrays of them; low and high lie in [0, 1] and have their common
    shape. No trials, n = 0, say nothing: (0, 1). Raises ``ValueError`` unless 0 ≤ k ≤ n and 0 < confidence < 1.
    """
    checks.fraction("confidence", confidence)
    if confidence in (0, 1):
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence!r}")
    successes, trials = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if not np.all((successes >= 0) & (successes <= trials)):
        raise ValueError(f"k must lie between 0 and n, got k = {k!r} and n = {n!r}")
    z = ndtri((1 + confidence) / 2)
    centre = (successes + z**2 / 2) / (trials + z**2)
    failures = trials - successes
    # k·f/n + z²/4, with 0 for the share of nothing.
    spread = np.divide(successes * failures, trials, out=np.zeros_like(trials), where=trials > 0) + z**2 / 4
    half = z * np.sqrt(spread) / (trials + z**2)
    low = np.where(successes == 0, 0.0, centre - half)  # exact, where rounding would leave 1e-18
    high = np.where(failures == 0, 1.0, centre + half)
    return low, high
