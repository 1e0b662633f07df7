"""A row of records, made of a count alone."""

from hardlight.evaluation.columns import RECORD_COLUMNS
from hardlight.statistics import wilson


def row(run, attack, eps, k, n=1000, **facts):
    low, high = wilson(k, n)
    values = {
        "run": run,
        "data": "mnist",
        "model": "cnn",
        "activation": "relu",
        "defense": "none",
        "seed": 0,
        "attack": attack,
        "norm": "none" if attack == "none" else "linf",
        "eps": eps,
        "label": "true",
        "source": "self",
        "settings": "{}",
        "metric": "accuracy" if attack == "none" else "robust_accuracy",
        "value": k / n,
        "n": n,
        "n_broken": n - k,
        "ci_low": float(low),
        "ci_high": float(high),
        "seconds": 1.0,
        "form": "sound",
        "version": "0.1.0",
    }
    assert set(values) == set(RECORD_COLUMNS)
    return values | facts
