"""Two runs beside each other: what differs between them on the samples that both were tested on."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from hardlight.evaluation.columns import eps_word, standing
from hardlight.statistics import mcnemar, paired_difference

KEY = ["attack", "norm", "eps", "source"]
COLUMNS = [*KEY, "label", "metric", "a", "b", "difference", "ci_low", "ci_high", "only_a", "only_b", "p_value", "n"]
Key = tuple[str, str, float, str]


class Rows(NamedTuple):
    """The records and the samples of one run."""

    records: pd.DataFrame
    samples: pd.DataFrame


class Comparison(NamedTuple):
    """A row of ``COLUMNS`` for each accuracy that both runs have, and sentences on what could not be compared."""

    rows: pd.DataFrame
    left_out: list[str]


def compare(a: Rows, b: Rows) -> Comparison:
    """The paired difference B - A of each accuracy, over the samples that both runs saw: same data, same index.

    ``a`` and ``b`` are shares of those ``n`` samples; ``only_a`` were right in A alone. The difference has its 95 %
    interval (``paired_difference``) and the p value of ``mcnemar``. An attack whose settings differ, other than in its
    seed, is left out, and so is the per-sample worst case of attacks that are not all compared.
    Raises ``ValueError`` for runs on different data, without a shared sample, or without an attack to compare.
    """
    _check_data(a, b)
    ways_a, ways_b = _ways(a.records), _ways(b.records)
    alike, left_out = _alike(ways_a, ways_b)
    stands_a, stands_b = _stands(a.samples), _stands(b.samples)
    rows = []
    for key in [each for each in _ordered(ways_a) if each in alike]:
        pairs = pd.concat([_column(stands_a, key), _column(stands_b, key)], axis=1, keys=["a", "b"]).dropna()
        if len(pairs):
            metric = "accuracy" if key[0] == "none" else "robust_accuracy"
            named = {**dict(zip(KEY, key, strict=True)), "label": ways_a[key]["label"], "metric": metric}
            rows.append(named | _difference(pairs))
        else:
            left_out.append(f"{_named(key)}: no test image was attacked in both runs")
    if not any(row["attack"] != "none" for row in rows):
        said = "; ".join(left_out) or "neither was attacked"
        raise ValueError(f"the runs have no attack in common: {said}")
    return Comparison(pd.DataFrame(rows, columns=COLUMNS), left_out)


def _check_data(a: Rows, b: Rows) -> None:
    names = ["/".join(rows.records["data"].unique()) for rows in (a, b)]
    if names[0] != names[1]:
        raise ValueError(f"the runs are on different data: A on {names[0]}, B on {names[1]}")
    labels = [rows.samples.drop_duplicates("index").set_index("index")["label"] for rows in (a, b)]
    both = pd.concat(labels, axis=1, keys=["a", "b"]).dropna().astype(int)
    if both.empty:
        raise ValueError("the runs share no test image")
    other = both[both["a"] != both["b"]]
    if len(other):
        classes = other.iloc[0]
        raise ValueError(
            f"the runs are on different data of one name, {names[0]}: "
            f"image {other.index[0]} is of class {classes['a']} in A and of class {classes['b']} in B"
        )


def _ways(records: pd.DataFrame) -> dict[Key, dict[str, Any]]:
    """How each accuracy of a run came about: the label attacked, and the settings that make an attack what it is."""
    accuracies = records[records["metric"].isin(["accuracy", "robust_accuracy"])]
    ways = {}
    for row in accuracies.drop_duplicates(KEY, keep="last").to_dict("records"):
        settings = {name: value for name, value in json.loads(row["settings"]).items() if name != "seed"}
        if row["attack"] == "worst":
            settings["attacks"] = sorted(settings["attacks"])
            if len(settings["attacks"]) < 2:
                continue
        ways[_key(row[column] for column in KEY)] = {"label": row["label"], **settings}
    return ways


def _alike(a: dict[Key, dict[str, Any]], b: dict[Key, dict[str, Any]]) -> tuple[set[Key], list[str]]:
    """The keys of accuracies that came about the same way in both, and why the others did not."""
    alike, said = set(), []
    for key in (each for each in a if each in b):
        if a[key] == b[key]:
            alike.add(key)
        elif key[0] != "worst":
            names = [name for name in {**a[key], **b[key]} if a[key].get(name) != b[key].get(name)]
            differ = ", ".join(f"{name} {a[key].get(name)} in A and {b[key].get(name)} in B" for name in names)
            said.append(f"{key[0]} is not compared, its settings differ: {differ}")
    for key in [each for each in alike if each[0] == "worst"]:
        threat = [other for other in a if (other[1], other[3]) == (key[1], key[3]) and other[2] <= key[2]]
        if not all(other in alike for other in threat if other[0] != "worst"):
            alike.remove(key)
    for run, ours, theirs in (("A", a, b), ("B", b, a)):
        alone = [key for key in ours if key not in theirs and key[0] != "worst"]
        said += [f"only {run} has {_listed(alone)}"] if alone else []
    if any(key[0] == "worst" for key in {*a, *b} - alike):
        said.append("worst is compared only where it is over the same attacks in both")
    return alike, list(dict.fromkeys(said))


def _stands(samples: pd.DataFrame) -> dict[Key, "pd.Series[Any]"]:
    """Which samples stand under each attack, by their index."""
    rows = samples.assign(stands=standing(samples)).set_index("index")
    return {_key(key): group["stands"] for key, group in rows.groupby(KEY, sort=False)}


def _column(stands: dict[Key, "pd.Series[Any]"], key: Key) -> "pd.Series[Any]":
    """Which samples stand under ``key``; the worst case is that of all attacks of its norm and source up to its eps."""
    attack, norm, eps, source = key
    if attack != "worst":
        return stands[key]
    same = {other: column for other, column in stands.items() if (other[1], other[3]) == (norm, source)}
    here = [column for other, column in same.items() if other[2] == eps]
    survives: pd.Series[Any] = pd.concat(here, axis=1).dropna().astype(bool).all(axis=1)
    for other, column in same.items():
        if other[2] < eps:
            survives &= ~survives.index.isin(column.index[~column])
    return survives


def _difference(pairs: pd.DataFrame) -> dict[str, Any]:
    a, b = pairs["a"].astype(bool), pairs["b"].astype(bool)
    only_a, only_b, n = int((a & ~b).sum()), int((b & ~a).sum()), len(pairs)
    low, high = paired_difference(only_b, only_a, n)
    return {
        "a": float(a.mean()),
        "b": float(b.mean()),
        "difference": (only_b - only_a) / n,
        "ci_low": low,
        "ci_high": high,
        "only_a": only_a,
        "only_b": only_b,
        "p_value": mcnemar(only_b, only_a),
        "n": n,
    }


def _key(values: Any) -> Key:
    attack, norm, eps, source = values
    return str(attack), str(norm), float(eps), str(source)


def _ordered(keys: Iterable[Key]) -> list[Key]:
    """Clean first, then by source and norm as they come, by eps, the worst case last of each."""
    keys = list(keys)
    groups = list(dict.fromkeys((key[3], key[1]) for key in keys if key[0] != "none"))
    attacked = [key for key in keys if key[0] != "none"]
    attacked.sort(key=lambda key: (groups.index((key[3], key[1])), key[2], key[0] == "worst"))
    return [key for key in keys if key[0] == "none"] + attacked


def _named(key: Key) -> str:
    return f"{key[0]}@{eps_word(key[2])}"


def _listed(keys: Iterable[Key]) -> str:
    """Attacks with their eps, in words: "fgsm@0.1, 0.2 linf; noise@0.1 linf from cnn"."""
    grids: dict[tuple[str, str, str], list[str]] = {}
    for attack, norm, eps, source in keys:
        if attack not in ("none", "worst"):
            grids.setdefault((attack, norm, source), []).append(eps_word(eps))
    words = [
        f"{attack}@{', '.join(grid)} {norm}" + ("" if source == "self" else f" from {source}")
        for (attack, norm, source), grid in grids.items()
    ]
    return "; ".join(words) or "none"
