import itertools
import json

import numpy as np
import pandas as pd
import pytest
from sample_rows import FACTS, attacked, clean_rows, summed
from scipy.stats import binomtest

from hardlight.evaluation.columns import RECORD_COLUMNS
from hardlight.evaluation.records import AttackRun, to_records

CLEAN = [1, 1, 1, 1, 0, 0]


def cell(records, attack, metric, **where):
    rows = records[(records["attack"] == attack) & (records["metric"] == metric)]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    (row,) = rows.to_dict("records")
    return row


def test_counted_by_hand():
    _, records = summed(clean_rows(CLEAN), attacked("fgsm", 0.1, CLEAN, [1, 1, 0, 0, 1, 0]))
    assert list(records) == list(RECORD_COLUMNS)
    expected = {("none", "accuracy"): 4, ("fgsm", "robust_accuracy"): 2, ("fgsm", "adversarial_accuracy"): 3}
    for (attack, metric), k in expected.items():
        row = cell(records, attack, metric)
        interval = binomtest(k, 6).proportion_ci(0.95, method="wilson")
        assert (row["value"], row["n"], row["n_broken"]) == (k / 6, 6, 6 - k)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))
    # Means of 0.1 … 0.6; of 0, 2 … 10; of 1 … 6.
    means = {"l2": 0.35, "linf": 0.1, "l0": 5.0, "forward_passes": 3.5, "backward_passes": 1.0}
    for metric, mean in means.items():
        row = cell(records, "fgsm", metric)
        assert row["value"] == pytest.approx(mean)
        assert pd.isna(row["n_broken"])
        assert np.isnan(row["ci_low"])
    row = cell(records, "fgsm", "robust_accuracy")
    assert {fact: row[fact] for fact in FACTS} == FACTS
    assert (row["run"], row["eps"], row["norm"], row["source"], row["label"], row["seconds"]) == (
        ("a", 0.1, "linf", "self", "true", 2.0)
    )
    assert json.loads(row["settings"]) == {"steps": 7}


def test_worst_case_as_loops_find_it():
    rng = np.random.default_rng(0)
    clean = rng.random(60) < 0.8
    grid = itertools.product(("fgsm", "pgd", "noise"), (0.1, 0.2))
    spans = {"fgsm": (0, 60), "pgd": (0, 30), "noise": (10, 50)}
    outcomes = {(attack, eps): rng.random(60) < 0.7 for attack, eps in grid}
    frames = [
        attacked(attack, eps, clean[slice(*spans[attack])], right[slice(*spans[attack])], first=spans[attack][0])
        for (attack, eps), right in outcomes.items()
    ]
    _, records = summed(clean_rows(clean), *frames)
    for eps in (0.1, 0.2):
        shared = range(10, 30)
        survivors = 0
        for i in shared:
            seen = [(attack, at) for attack in spans for at in (0.1, 0.2) if at <= eps and i in range(*spans[attack])]
            survivors += clean[i] and all(outcomes[each][i] for each in seen)
        row = cell(records, "worst", "robust_accuracy", eps=eps)
        assert (row["n"], row["n"] - row["n_broken"]) == (20, survivors)
        assert row["value"] == survivors / 20
        assert row["seconds"] == 6.0
        assert json.loads(row["settings"]) == {
            "attacks": ["fgsm", "pgd", "noise"],
            "eps": [each for each in (0.1, 0.2) if each <= eps],
        }


def test_worst_case_keeps_norms_sources_and_runs_apart():
    _, records = summed(
        attacked("fgsm", 0.1, [1, 1], [1, 1]),
        attacked("fgsm_l2", 0.1, [1, 1], [1, 0], norm="l2"),
        attacked("fgsm", 0.1, [1, 1], [0, 0], source="cnn"),
        attacked("fgsm", 0.1, [1, 1], [0, 1], run="b", norm="l2"),
    )
    worst = records[records["attack"] == "worst"].set_index(["run", "norm", "source"])["value"].to_dict()
    assert worst == {
        ("a", "linf", "self"): 1,
        ("a", "l2", "self"): 0.5,
        ("a", "linf", "cnn"): 0,
        ("b", "l2", "self"): 0.5,
    }


def test_attacks_without_a_shared_sample_have_no_worst_case():
    _, records = summed(attacked("fgsm", 0.1, [1], [1]), attacked("pgd", 0.1, [1], [1], first=1))
    row = cell(records, "worst", "robust_accuracy")
    assert row["n"] == 0
    assert np.isnan(row["value"])
    assert (row["ci_low"], row["ci_high"]) == (0, 1)


def test_refuses_what_is_missing_or_there_twice():
    samples, _ = summed(clean_rows([1]), attacked("fgsm", 0.1, [1], [1]))
    ran = {("fgsm", 0.1): AttackRun()}
    with pytest.raises(ValueError, match="missing: margin"):
        to_records(samples.drop(columns="margin"), FACTS, ran)
    with pytest.raises(ValueError, match="missing: seed"):
        to_records(samples, {k: v for k, v in FACTS.items() if k != "seed"}, ran)
    with pytest.raises(ValueError, match="did you mean defense"):
        to_records(samples, FACTS | {"defence": "at"}, ran)
    with pytest.raises(ValueError, match=r"how fgsm ran at eps 0\.1"):
        to_records(samples, FACTS, {("fgsm", 0.2): AttackRun()})
    with pytest.raises(ValueError, match="index 0 twice"):
        to_records(pd.concat([samples, samples]), FACTS, ran)
