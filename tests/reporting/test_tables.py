import io
import re

import pandas as pd
import pytest
from record_rows import row
from rich.console import Console

from hardlight.reporting import comparison_table, wide
from hardlight.statistics import wilson

ATTACKS = ("fgsm", "pgd", "noise", "random_fgsm", "deepfool", "jsma", "carlini_wagner_l2", "square")


def two_runs():
    gda = {"defense": "gda", "activation": "brelu"}
    return pd.DataFrame(
        [
            row("a", "none", 0.0, 9870, 10000),
            row("a", "fgsm", 0.1, 6104, 10000),
            row("a", "pgd", 0.1, 35),
            row("a", "worst", 0.1, 35),
            row("b", "none", 0.0, 9871, 10000, **gda),
            row("b", "fgsm", 0.1, 8000, 10000, **gda),
            row("b", "pgd", 0.1, 400, **gda),
            row("b", "worst", 0.1, 399, **gda),
        ]
    )


def printed(records, *, styled=False, width=80):
    console = Console(
        width=width, file=io.StringIO(), force_terminal=styled, color_system="standard" if styled else None
    )
    console.print(comparison_table(records))
    return console.file.getvalue()


def bold(text):
    return re.findall(r"\x1b\[1m([\d.]+)\x1b\[0m", text)


def test_what_it_says():
    lines = [line.split() for line in printed(two_runs()).splitlines()]
    assert lines[0] == ["mnist", "·", "cnn", "·", "white-box"]
    assert ["linf", "0.1", "clean", "fgsm", "pgd", "worst"] in lines
    assert ["@0.1", "@0.1", "@0.1"] in lines
    assert ["none", "·", "relu", "98.7", "61.0", "3.5", "3.5"] in lines
    assert ["gda", "·", "brelu", "98.7", "80.0", "40.0", "39.9"] in lines
    assert ["98.5–98.9", "60.1–62.0", "2.5–4.8", "2.5–4.8"] in lines  # 6104 of 10000, 35 of 1000
    note = " ".join(printed(two_runs()).split())
    assert "n: clean 10,000, fgsm 10,000, pgd 1,000, worst 1,000." in note
    assert "95 % Wilson interval" in note


def test_the_best_is_bold_and_so_are_ties():
    # Clean 98.70 and 98.71 print alike, and are bold alike.
    assert bold(printed(two_runs(), styled=True)) == ["98.7", "98.7", "80.0", "40.0", "39.9"]
    assert bold(printed(two_runs().query("run == 'a'"), styled=True)) == []
    lone = two_runs().query("not (run == 'a' and attack == 'pgd')")
    assert "40.0" not in bold(printed(lone, styled=True))


def test_what_was_not_measured_is_a_dash():
    records = two_runs().query("not (run == 'a' and attack == 'pgd')")
    assert "none · relu 98.7 61.0 – 3.5" in " ".join(printed(records).split())
    records = two_runs()
    records.loc[2, "value"] = float("nan")
    assert "none · relu 98.7 61.0 – 3.5" in " ".join(printed(records).split())


def test_no_worst_case_of_a_single_attack():
    text = " ".join(printed(two_runs().query("attack != 'pgd'")).split())
    assert "worst" not in text
    assert "n: clean 10,000, fgsm 10,000." in text


def test_nothing_is_said_of_attacked_images_where_there_are_none():
    assert "% right on the clean image" in printed(two_runs().query("attack == 'none'"))


def test_black_box_is_said_in_the_title():
    records = two_runs()
    records.loc[records["attack"] != "none", "source"] = "resnet"
    assert printed(records).splitlines()[0] == "mnist · cnn · black-box, crafted on resnet"


def test_norms_and_sources_stand_apart():
    records = pd.concat([two_runs(), two_runs().query("attack == 'pgd'").assign(norm="l2", eps=2.0, source="resnet")])
    text = " ".join(printed(records).split())
    assert "linf 0.1 clean fgsm pgd worst" in text
    assert "l2 2 clean pgd from resnet @2" in text


def test_a_later_row_replaces_an_earlier_one():
    again = pd.DataFrame([row("a", "pgd", 0.1, 77)])
    assert "61.0 7.7 3.5" in " ".join(printed(pd.concat([two_runs(), again])).split())


@pytest.mark.parametrize("names", [("gda", "relu"), ("gda+feature_squeezing+label_smoothing+vat", "leaky_brelu")])
@pytest.mark.parametrize("n_runs", [1, 6])
@pytest.mark.parametrize("n_attacks", range(1, 9))
@pytest.mark.parametrize("n_eps", [1, 2, 6])
def test_never_over_80_columns_and_nothing_lost(names, n_runs, n_attacks, n_eps):
    rows = []
    for run in range(n_runs):
        facts = {"defense": names[0], "activation": names[1], "seed": run}
        rows.append(row(f"run{run}", "none", 0.0, 1000, **facts))
        for at in range(n_eps):
            for number, attack in enumerate((*ATTACKS[:n_attacks], "worst")):
                rows.append(row(f"run{run}", attack, (at + 1) * 8 / 255, 100 + 10 * number + at, **facts))
    text = printed(pd.DataFrame(rows), width=200)  # where nothing is squeezed to fit
    assert max(map(len, text.splitlines())) <= 80
    cells = re.findall(r"(?<![\d.–])\d+\.\d(?![\d–])", text.rsplit("% right", 1)[0])
    for number in range(n_attacks):
        for at in range(n_eps):
            assert cells.count(f"{10 + number + at / 10:.1f}") >= n_runs


def test_looks_the_same_on_any_terminal_of_80_columns_or_more():
    assert printed(two_runs(), width=80) == printed(two_runs(), width=200)


def test_refuses_records_without_accuracies():
    with pytest.raises(ValueError, match="neither"):
        comparison_table(two_runs().assign(metric="l2"))


def test_wide():
    frame = wide(two_runs().query("not (run == 'a' and attack == 'pgd')"))
    assert frame["run"].tolist() == ["a", "b"]
    assert frame["fgsm@0.1"].tolist() == [0.6104, 0.8]
    assert frame["fgsm@0.1 n"].tolist() == [10000, 10000]
    assert frame["pgd@0.1"].isna().tolist() == [True, False]
    assert frame.loc[1, "pgd@0.1 ci_low"] == wilson(400, 1000)[0]
    assert not frame.columns.duplicated().any()


def test_wide_keeps_norms_and_sources_apart():
    other = two_runs().query("attack == 'pgd'")
    frame = wide(pd.concat([two_runs(), other.assign(norm="l2"), other.assign(source="resnet")]))
    assert {"pgd@0.1 linf", "pgd@0.1 l2", "pgd@0.1 linf from resnet"} <= set(frame.columns)
