"""Attacks that disagree: signs that one of them, alone, would mislead (Athalye, Carlini, Wagner, ICML 2018, 3.1)."""

from collections.abc import Iterator
from itertools import permutations

import pandas as pd

from hardlight.evaluation.columns import eps_word, shared, standing
from hardlight.evaluation.run_labels import run_labels
from hardlight.statistics import mcnemar

SIGNIFICANCE = 0.01


def disagreement(samples: pd.DataFrame, records: pd.DataFrame) -> list[str]:
    """Sentences on attacks of one norm, eps and source that differ on the samples both saw.

    Each pair is named once, at the eps where it differs most. What is said of a kind of attack is said of its
    strongest: a gradient that one attack makes little of is not masked if another makes more of it. An iterative
    attack that breaks more than a single step says that the single step alone overstates robustness; a single step
    that beats an iterative one, or anything without gradients that beats one with them, is a sign of masked gradients.
    What an attack is follows from the backward passes it took; a difference counts if McNemar's exact test is below
    0.01. ``records`` name the runs.
    """
    names = run_labels(records)
    widest: dict[tuple[str, ...], tuple[float, str]] = {}
    attacked = samples[samples["attack"] != "none"]
    for key, group in attacked.groupby(["run", "norm", "source", "eps"], sort=False):
        run, norm, source, _ = map(str, key)
        for weaker, stronger, gap, sentence in _pairs(group, float(group["eps"].iloc[0])):
            pair = (run, norm, source, weaker, stronger)
            if gap > widest.get(pair, (0.0, ""))[0]:
                widest[pair] = (gap, f"{names[run]}: {sentence}")
    return [sentence for _, sentence in widest.values()]


def _pairs(samples: pd.DataFrame, eps: float) -> Iterator[tuple[str, str, float, str]]:
    passes = samples.groupby("attack")["backward_passes"].max()
    kinds = passes.clip(upper=2)  # 0 without gradients, 1 a single step, 2 iterative
    left = standing(samples).groupby(samples["attack"]).mean()
    strongest = {left[kinds == kind].idxmin() for kind in kinds.unique()}
    for a, b in permutations(kinds.index, 2):
        if kinds[a] == kinds[b] or b not in strongest or (kinds[b] < kinds[a] and a not in strongest):
            continue
        stands = shared(samples[samples["attack"].isin([a, b])])
        gap = stands[a].mean() - stands[b].mean()
        only_a, only_b = int((stands[a] & ~stands[b]).sum()), int((~stands[a] & stands[b]).sum())
        if not gap > 0 or mcnemar(only_a, only_b) >= SIGNIFICANCE:
            continue
        meaning = _meaning(str(a), str(b), int(kinds[a]), int(kinds[b]))
        if meaning:
            sentence = f"{a}@{eps_word(eps)} leaves {100 * stands[a].mean():.1f} % standing, "
            sentence += f"{b}@{eps_word(eps)} {100 * stands[b].mean():.1f} %: {meaning}"
            yield str(a), str(b), float(gap), sentence


def _meaning(a: str, b: str, kind_a: int, kind_b: int) -> str | None:
    """What it means that ``b`` breaks more than ``a``, if it is not as it should be."""
    if kind_b == 0:
        return f"{b} uses no gradient and breaks more than {a}, a sign of masked gradients."
    if kind_b == 1 and kind_a == 2:
        return f"a single step breaks more than {a}, a sign of masked gradients."
    if kind_a == 1:
        return f"{a} alone would have overstated its robustness."
    return None  # a gradient that beats noise
