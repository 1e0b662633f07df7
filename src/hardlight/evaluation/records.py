"""Results as tidy rows: a row per sample, attack and eps, and the records that are summed from them."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from hardlight import checks
from hardlight.evaluation.columns import ANY, FACTS, MEANS, RECORD_COLUMNS, SAMPLE_COLUMNS, shared, standing
from hardlight.metrics import SampleMetric
from hardlight.statistics import wilson


@dataclass(frozen=True, kw_only=True)
class AttackRun:
    """How an attack ran at one eps: its settings, the label it moved away from, its wall time over all samples."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    label: str = "true"
    seconds: float = math.nan


def to_records(
    samples: pd.DataFrame,
    facts: Mapping[str, Any],
    attacks: Mapping[tuple[str, float], AttackRun],
    metrics: Sequence[SampleMetric] = (),
) -> pd.DataFrame:
    """Sum rows of ``SAMPLE_COLUMNS`` into rows of ``RECORD_COLUMNS``.

    ``facts`` holds the value of each of ``FACTS``; ``attacks`` maps (attack, eps) to how it ran, and may leave out
    ("none", 0.0), the clean images. In a samples row, ``label`` is the true class, ``index`` names the sample, and
    ``margin`` is z_y − max over j≠y of z_j on the attacked image, negative where it is broken; clean rows have attack
    "none", norm "none", eps 0 and source "self".

    The metrics: ``accuracy`` of the clean images; of each attack and eps ``robust_accuracy``, right on the clean and
    on the attacked image, ``adversarial_accuracy``, right on the attacked image, and the means of ``MEANS``. Attack
    "worst" holds the per-sample worst case of all attacks of one norm and source up to an eps, over the samples that
    all attacks at this eps share: what falls at a smaller eps has fallen here. An accuracy is 1 − n_broken/n, with its
    95 % Wilson interval; means have neither. ``metrics`` summarise the columns that they measured; an upper bound is
    named with the attack it comes from: ``rho[minimal_fgsm]``.
    Raises ``ValueError`` for a missing column, fact or attack, and for a sample that is there twice.
    """
    _check(samples, facts, attacks)
    clean = samples[samples["attack"] == "none"]
    threats = dict(iter(samples.groupby(["run", "norm", "source"], sort=False)))
    rows = [
        {"run": run, **facts, "norm": norm, "eps": eps, "source": source, **row}
        for (run, norm, eps, source), group in samples.groupby(["run", "norm", "eps", "source"], sort=False)
        for row in (
            *_rows(group, float(group["eps"].iloc[0]), attacks),
            *_worst(threats[run, norm, source], float(group["eps"].iloc[0]), attacks),
            *_summaries(group, clean[clean["run"] == run], metrics, attacks),
        )
    ]
    records = pd.DataFrame(rows, columns=list(RECORD_COLUMNS))
    return records.astype({"n": "int64", "n_broken": "Int64"})


def _rows(
    samples: pd.DataFrame, eps: float, attacks: Mapping[tuple[str, float], AttackRun]
) -> Iterator[dict[str, Any]]:
    clean = samples[samples["attack"] == "none"]
    if len(clean):
        how = _how(attacks.get(("none", eps), AttackRun()))
        yield {"attack": "none", **how, "metric": "accuracy", **_share(standing(clean))}
    attacked = samples[samples["attack"] != "none"]
    for attack, group in attacked.groupby("attack", sort=False):
        how = _how(attacks[str(attack), eps])
        right = group["adversarial_prediction"] == group["label"]
        yield {"attack": attack, **how, "metric": "robust_accuracy", **_share(standing(group))}
        yield {"attack": attack, **how, "metric": "adversarial_accuracy", **_share(right)}
        for metric in MEANS:
            yield {"attack": attack, **how, "metric": metric, "value": float(group[metric].mean()), "n": len(group)}


def _worst(
    samples: pd.DataFrame, eps: float, attacks: Mapping[tuple[str, float], AttackRun]
) -> Iterator[dict[str, Any]]:
    """``samples`` are those of one run, norm and source, at every eps."""
    attacked = samples[(samples["attack"] != "none") & (samples["eps"] <= eps)]
    here = attacked[attacked["eps"] == eps]
    if not len(here):
        return
    names = list(here["attack"].unique())
    ran = [attacks[name, eps] for name in names]
    together = AttackRun(
        settings={"attacks": names, "eps": sorted(attacked.loc[attacked["eps"] != ANY, "eps"].unique().tolist())},
        label="+".join(sorted({each.label for each in ran})),
        seconds=sum(each.seconds for each in ran),
    )
    stands = shared(here)
    fallen = attacked.loc[~standing(attacked), "index"]
    survives = stands.all(axis=1) & ~stands.index.isin(fallen)
    yield {"attack": "worst", **_how(together), "metric": "robust_accuracy", **_share(survives)}


def _summaries(
    samples: pd.DataFrame,
    clean: pd.DataFrame,
    metrics: Sequence[SampleMetric],
    attacks: Mapping[tuple[str, float], AttackRun],
) -> Iterator[dict[str, Any]]:
    for attack, group in samples.groupby("attack", sort=False):
        eps = float(group["eps"].iloc[0])
        kinds = {"clean"} if attack == "none" else {"attacked", "minimal"} if eps == ANY else {"attacked"}
        for metric in metrics:
            if not kinds & metric.on:
                continue
            beside = None
            if attack != "none":
                same = clean[clean["index"].isin(group["index"])]
                beside = _columns(same, metric) if "clean" in metric.on and len(same) else {}
            for name, found in metric.summary(_columns(group, metric), beside).items():
                yield {
                    "attack": attack,
                    **_how(attacks.get((str(attack), eps), AttackRun())),
                    "metric": f"{name}[{attack}]" if metric.on == {"minimal"} else name,
                    "value": found.value,
                    "n": found.n,
                    "ci_low": found.low,
                    "ci_high": found.high,
                }


def _columns(samples: pd.DataFrame, metric: SampleMetric) -> dict[str, Tensor]:
    """A metric's own columns, of samples that it measured."""
    return {column: torch.from_numpy(samples[column].to_numpy("float64", copy=True)) for column in metric.columns}


def _how(ran: AttackRun) -> dict[str, Any]:
    settings = json.dumps(dict(ran.settings), sort_keys=True, default=str)
    return {"settings": settings, "label": ran.label, "seconds": ran.seconds}


def _share(stands: pd.Series) -> dict[str, Any]:
    n, k = len(stands), int(stands.sum())
    low, high = wilson(k, n)
    return {
        "value": k / n if n else math.nan,
        "n": n,
        "n_broken": n - k,
        "ci_low": float(low),
        "ci_high": float(high),
    }


def _check(samples: pd.DataFrame, facts: Mapping[str, Any], attacks: Mapping[tuple[str, float], AttackRun]) -> None:
    missing = [column for column in SAMPLE_COLUMNS if column not in samples]
    if missing:
        raise ValueError(f"samples must have the columns {', '.join(SAMPLE_COLUMNS)}; missing: {', '.join(missing)}")
    for fact in facts:
        checks.one_of("fact", fact, FACTS)
    if absent := [fact for fact in FACTS if fact not in facts]:
        raise ValueError(f"facts must hold {', '.join(FACTS)}; missing: {', '.join(absent)}")
    ran = {(attack, float(eps)) for attack, eps in samples[["attack", "eps"]].drop_duplicates().itertuples(index=False)}
    if untold := sorted(key for key in ran if key[0] != "none" and key not in attacks):
        raise ValueError(f"attacks must tell how {untold[0][0]} ran at eps {untold[0][1]:g}; it has {list(attacks)}")
    twice = samples.duplicated(["run", "attack", "norm", "eps", "source", "index"])
    if twice.any():
        row = samples[twice].iloc[0]
        raise ValueError(f"samples must hold a sample once an attack and eps, got index {row['index']} twice")
