"""The accuracies among the records, ready to be laid out: what tables and curves are both views of."""

import pandas as pd

from hardlight.evaluation.columns import ANY, standing
from hardlight.statistics import wilson


def accuracies(records: pd.DataFrame) -> pd.DataFrame:
    """The rows of clean ``accuracy`` and of ``robust_accuracy``, the latest of each run, attack, norm, eps and source.

    What a minimal-norm attack found at whatever distance is no accuracy within a budget, and left out.
    Raises ``ValueError`` if there are none.
    """
    clean = (records["attack"] == "none") & (records["metric"] == "accuracy")
    attacked = (records["attack"] != "none") & (records["metric"] == "robust_accuracy")
    chosen = (clean | attacked) & (records["eps"] != ANY)
    rows = records[chosen].drop_duplicates(["run", "attack", "norm", "eps", "source"], keep="last")
    if rows.empty:
        raise ValueError("records must hold accuracy or robust_accuracy rows; these hold neither")
    return rows


def at_every_eps(samples: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame | None:
    """Of a minimal-norm attack the robust accuracy and its interval: a row from each eps on at which an image falls.

    From 0 to the last eps of its accuracies ``points``, with their columns eps, value, ci_low and ci_high. None of an
    attack with a budget, and in a norm of which the samples have no distances.
    """
    of = points.iloc[-1][["run", "attack", "norm", "source"]]
    seen = samples[(samples[list(of.index)] == of).all(axis=1) & (samples["eps"] == ANY)]
    if seen.empty or of["norm"] not in seen:
        return None
    right, last = seen["clean_prediction"] == seen["label"], points["eps"].max()
    distances = seen.loc[right & ~standing(seen), of["norm"]].sort_values()
    eps = [0.0, *distances[distances <= last]]
    left = [int(right.sum()) - fallen for fallen in range(len(eps))]
    rows = pd.DataFrame({"eps": [*eps, last], "left": [*left, left[-1]]})
    low, high = wilson(rows["left"], len(seen))
    return rows.assign(value=rows["left"] / len(seen), ci_low=low, ci_high=high).drop(columns="left")


def sources(records: pd.DataFrame) -> str:
    """Who the attacks were crafted on, in words."""
    names = list(dict.fromkeys(records.loc[records["attack"] != "none", "source"]))
    words = [f"black-box, crafted on {name}" for name in names if name != "self"]
    return " and ".join((["white-box"] if "self" in names else []) + words)


def subject(records: pd.DataFrame) -> str:
    """The data and nets the records are about: "mnist · cnn"."""
    return " · ".join("/".join(records[fact].astype(str).unique()) for fact in ("data", "model"))


def counts(n: pd.Series) -> str:
    """One count or the span of several: "1,000–10,000"."""
    low, high = f"{n.min():,}", f"{n.max():,}"
    return low if low == high else f"{low}–{high}"
