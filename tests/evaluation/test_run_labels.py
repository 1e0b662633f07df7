import pandas as pd
from sample_rows import clean_rows, summed

from hardlight.evaluation.run_labels import run_labels


def labels(**runs):
    return run_labels(pd.concat([summed(clean_rows([1], run=run), **facts)[1] for run, facts in runs.items()]))


def test_only_what_differs_is_said():
    assert labels(a={}) == {"a": "gda · brelu"}
    assert labels(b={"defense": "none"}, a={}) == {"b": "none · brelu", "a": "gda · brelu"}
    assert labels(a={}, b={"seed": 1}) == {"a": "gda · brelu · seed 0", "b": "gda · brelu · seed 1"}
    assert labels(a={}, b={"model": "resnet"}) == {"a": "gda · brelu · cnn", "b": "gda · brelu · resnet"}
    assert labels(a={}, b={"data": "cifar10"}) == {"a": "gda · brelu · mnist", "b": "gda · brelu · cifar10"}


def test_runs_alike_are_told_apart_by_name():
    assert labels(a={}, b={}, c={"defense": "at"}) == {
        "a": "gda · brelu · a",
        "b": "gda · brelu · b",
        "c": "at · brelu",
    }
