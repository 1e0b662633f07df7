"""Rows of samples and records, made of outcomes alone: 1 where a prediction is right, 0 where it is not."""

import pandas as pd

from hardlight.evaluation.columns import SAMPLE_COLUMNS
from hardlight.evaluation.records import AttackRun, to_records

FACTS = {
    "data": "mnist",
    "model": "cnn",
    "activation": "brelu",
    "defense": "gda",
    "seed": 0,
    "form": "sound",
    "version": "0.1.0",
}


def attacked(attack, eps, clean, right, *, run="a", norm="linf", source="self", passes=1, first=0):
    """Samples first, first+1, … of class 3; a wrong prediction is class 5."""
    rows = [
        {
            "run": run,
            "attack": attack,
            "norm": norm,
            "eps": eps,
            "source": source,
            "label": 3,
            "index": first + i,
            "clean_prediction": 3 if c else 5,
            "adversarial_prediction": 3 if r else 5,
            "l2": 0.1 * (i + 1),
            "linf": eps,
            "l0": 2.0 * i,
            "margin": 1.5 if r else -0.5,
            "forward_passes": passes + i,
            "backward_passes": passes,
        }
        for i, (c, r) in enumerate(zip(clean, right, strict=True))
    ]
    return pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))


def clean_rows(clean, *, run="a"):
    return attacked("none", 0.0, clean, clean, run=run, norm="none", passes=0)


def summed(*frames, **facts):
    """Samples and their records."""
    samples = pd.concat(frames, ignore_index=True)
    ran = {
        (attack, eps): AttackRun(settings={"steps": 7}, seconds=2.0)
        for attack, eps in zip(samples["attack"], samples["eps"], strict=True)
    }
    return samples, to_records(samples, FACTS | facts, ran)
