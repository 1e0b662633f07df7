"""The columns of samples and records, and what is read off them with pandas alone: no torch is imported here."""

import math

import pandas as pd

SAMPLE_COLUMNS = (
    "run",
    "attack",
    "norm",
    "eps",
    "source",
    "label",
    "index",
    "clean_prediction",
    "adversarial_prediction",
    "l2",
    "linf",
    "l0",
    "margin",
    "forward_passes",
    "backward_passes",
)
RECORD_COLUMNS = (
    "run",
    "data",
    "model",
    "activation",
    "defense",
    "seed",
    "attack",
    "norm",
    "eps",
    "label",
    "source",
    "settings",
    "metric",
    "value",
    "n",
    "n_broken",
    "ci_low",
    "ci_high",
    "seconds",
    "form",
    "version",
)
FACTS = ("data", "model", "activation", "defense", "seed", "form", "version")
ACCURACIES = ("accuracy", "robust_accuracy", "adversarial_accuracy")
MEANS = ("l2", "linf", "l0", "forward_passes", "backward_passes")
ANY = math.inf
"""The eps of what a minimal-norm attack found, at whatever distance."""


def eps_word(eps: float) -> str:
    """An eps as tables and sentences have it: four digits, or "any"."""
    return "any" if eps == ANY else f"{eps:.4g}"


def standing(samples: pd.DataFrame) -> pd.Series:
    """Which rows are right on the clean and on the attacked image."""
    return (samples["clean_prediction"] == samples["label"]) & (samples["adversarial_prediction"] == samples["label"])


def shared(samples: pd.DataFrame) -> pd.DataFrame:
    """Which samples stand under which attack, at one run, norm, eps and source: a row per shared index, bool.

    The columns are the attacks; a sample that one of them did not see is left out.
    """
    rows = samples[["index", "attack"]].assign(stands=standing(samples))
    return rows.pivot(index="index", columns="attack", values="stands").dropna().astype(bool)
