"""The table of what is measured beside the accuracies."""

import math

import pandas as pd
from record_rows import row
from rich.console import Console

from hardlight.reporting import measures, measures_table


def measured(metric, value, attack="minimal_fgsm", eps=math.inf, run="a", **facts):
    return row(run, attack, eps, 500, metric=metric, value=value, ci_low=math.nan, ci_high=math.nan) | facts


def shown(rows):
    console = Console(width=100, record=True, quiet=False)
    with console.capture() as capture:
        console.print(measures_table(pd.DataFrame(rows)))
    return capture.get()


def test_accuracies_and_the_means_of_every_attack_have_a_table_of_their_own():
    rows = [row("a", "fgsm", 0.1, 400), measured("l2", 1.0), measured("rho[minimal_fgsm]", 0.3)]
    assert measures(pd.DataFrame(rows))["metric"].tolist() == ["rho[minimal_fgsm]"]


def test_the_latest_of_each_is_shown():
    rows = [measured("rho[minimal_fgsm]", 0.3), measured("rho[minimal_fgsm]", 0.25)]
    assert measures(pd.DataFrame(rows))["value"].tolist() == [0.25]


def test_what_is_infinite_or_not_defined_says_so_and_it_fits_80_columns():
    text = shown(
        [
            measured("rho_median[minimal_fgsm]", math.inf),
            measured("training_set_distance", math.nan, attack="fgsm", eps=0.1),
            measured("loss_sensitivity", 0.12345, attack="none", eps=0.0, ci_low=0.0581, ci_high=0.255),
            measured("training_set_auroc", 1.0, attack="fgsm", eps=0.1, source="gda", run="b"),
        ]
    )
    lines = [line.split() for line in text.splitlines()]
    assert ["minimal_fgsm", "rho_median[minimal_fgsm]", "∞", "1,000"] in lines
    assert ["fgsm@0.1", "training_set_distance", "–", "1,000"] in lines
    assert ["clean", "loss_sensitivity", "0.123", "0.0581–0.255", "1,000"] in lines
    assert ["fgsm@0.1", "from", "gda", "training_set_auroc", "1", "1,000"] in lines
    assert max(map(len, text.splitlines())) <= 80


def test_small_and_large_values_stay_on_their_line_with_their_intervals():
    small = measured("loss_sensitivity", 0.000561, attack="none", eps=0.0, ci_low=0.000456, ci_high=0.00789)
    large = measured("margin_distance", -1234.5, attack="none", eps=0.0, ci_low=-1300.0, ci_high=1200.0)
    lines = [line.split() for line in shown([small, large]).splitlines()]
    assert ["clean", "loss_sensitivity", "5.6e-4", "4.6e-4–7.9e-3", "1,000"] in lines
    assert ["clean", "margin_distance", "-1.23e3", "-1.3e3–1.2e3", "1,000"] in lines


def test_rho_is_never_shown_without_what_it_is():
    assert "upper bound" in shown([measured("rho[minimal_fgsm]", 0.3)])
    assert "upper bound" not in shown([measured("loss_sensitivity", 0.3, attack="none", eps=0.0)])
