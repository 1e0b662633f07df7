import pandas as pd
import pytest
from sample_rows import FACTS, attacked, clean_rows, summed
from scipy.stats import binomtest

from hardlight.evaluation.comparison import COLUMNS, Rows, compare
from hardlight.evaluation.records import AttackRun, to_records
from hardlight.statistics import paired_difference

CLEAN = [1] * 10
WORST = "worst is compared only where it is over the same attacks in both"


def run(*frames, settings=None, **facts):
    """A run of ``frames``; ``settings`` maps an attack to its own."""
    samples, _ = summed(*frames)
    ran = {
        (attack, eps): AttackRun(settings=(settings or {}).get(attack, {"steps": 7}))
        for attack, eps in zip(samples["attack"], samples["eps"], strict=True)
    }
    return Rows(to_records(samples, FACTS | facts, ran), samples)


def row(comparison, attack, eps=0.1):
    (found,) = comparison.rows.query("attack == @attack and eps == @eps").to_dict("records")
    return found


def test_flips_counted_by_hand():
    a = run(clean_rows(CLEAN), attacked("fgsm", 0.1, CLEAN, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]))
    b = run(clean_rows([1] * 9 + [0]), attacked("fgsm", 0.1, CLEAN, [1, 1, 1, 0, 1, 1, 1, 1, 1, 0]))
    compared = compare(a, b)
    assert list(compared.rows) == COLUMNS
    assert compared.left_out == []
    clean, fgsm = row(compared, "none", 0.0), row(compared, "fgsm")
    assert (clean["metric"], clean["a"], clean["b"], clean["only_a"], clean["only_b"]) == ("accuracy", 1, 0.9, 1, 0)
    assert (fgsm["metric"], fgsm["a"], fgsm["b"], fgsm["n"]) == ("robust_accuracy", 0.5, 0.8, 10)
    assert (fgsm["only_a"], fgsm["only_b"]) == (1, 4)
    assert fgsm["difference"] == pytest.approx(0.3)
    assert (fgsm["ci_low"], fgsm["ci_high"]) == paired_difference(4, 1, 10)
    assert fgsm["p_value"] == pytest.approx(binomtest(1, 5).pvalue)


def test_only_shared_samples_count():
    a = run(clean_rows([1] * 6), attacked("fgsm", 0.1, [1] * 6, [1, 1, 1, 0, 0, 0]))
    b = run(clean_rows([1] * 10), attacked("fgsm", 0.1, [1] * 6, [1, 0, 0, 1, 1, 1], first=4))
    fgsm = row(compare(a, b), "fgsm")
    assert (fgsm["n"], fgsm["a"], fgsm["b"], fgsm["only_b"]) == (2, 0, 0.5, 1)  # samples 4 and 5


def test_the_worst_case_is_paired_too():
    a = run(attacked("fgsm", 0.1, [1] * 3, [1, 0, 1]), attacked("pgd", 0.1, [1] * 3, [1, 1, 0]))
    b = run(attacked("fgsm", 0.1, [1] * 3, [1, 1, 1]), attacked("pgd", 0.1, [1] * 3, [0, 1, 1]))
    worst = row(compare(a, b), "worst")
    assert (worst["a"], worst["b"], worst["only_a"], worst["only_b"]) == (1 / 3, 2 / 3, 1, 2)


def test_the_worst_case_holds_what_fell_at_a_smaller_eps():
    def frames(small, large):
        return [attacked(name, eps, [1] * 3, right) for eps, right in ((0.1, small), (0.2, large)) for name in "fp"]

    compared = compare(run(*frames([1, 0, 1], [1, 1, 0])), run(*frames([1, 1, 1], [1, 1, 0])))
    worst = row(compared, "worst", 0.2)
    assert (worst["a"], worst["b"], worst["only_b"]) == (1 / 3, 2 / 3, 1)
    other = run(*frames([1, 1, 1], [1, 1, 0])[2:])  # 0.2 alone
    assert "worst" not in set(compare(run(*frames([1, 0, 1], [1, 1, 0])), other).rows["attack"])


def test_other_settings_are_left_out_and_the_worst_case_with_them():
    frames = attacked("fgsm", 0.1, [1] * 3, [1, 0, 1]), attacked("pgd", 0.1, [1] * 3, [1, 1, 0])
    a, b = (run(*frames, settings={"pgd": {"steps": steps, "seed": steps}}) for steps in (40, 10))
    compared = compare(a, b)
    assert compared.rows["attack"].tolist() == ["fgsm"]
    assert compared.left_out == ["pgd is not compared, its settings differ: steps 40 in A and 10 in B", WORST]


def test_another_seed_of_an_attack_is_the_same_attack():
    frames = clean_rows(CLEAN), attacked("pgd", 0.1, CLEAN, CLEAN)
    a, b = (run(*frames, settings={"pgd": {"steps": 40, "seed": seed}}) for seed in (0, 1))
    assert compare(a, b).left_out == []


def test_what_only_one_run_has_is_said():
    fgsm = attacked("fgsm", 0.1, CLEAN, CLEAN)
    a = run(fgsm, attacked("noise", 0.1, CLEAN, CLEAN), attacked("noise", 0.2, CLEAN, CLEAN))
    b = run(fgsm, attacked("fgsm", 0.1, CLEAN, CLEAN, source="cnn"))
    compared = compare(a, b)
    assert compared.left_out == ["only A has noise@0.1, 0.2 linf", "only B has fgsm@0.1 linf from cnn", WORST]
    assert compared.rows["source"].tolist() == ["self"]


def test_rows_are_in_order():
    frames = [attacked(name, eps, CLEAN, CLEAN) for name in ("pgd", "fgsm") for eps in (0.2, 0.1)]
    both = run(*frames, attacked("l2", 0.05, CLEAN, CLEAN, norm="l2"), clean_rows(CLEAN))
    names = [f"{name}@{eps:g}" for name, eps in compare(both, both).rows[["attack", "eps"]].itertuples(index=False)]
    assert names == ["none@0", "pgd@0.1", "fgsm@0.1", "worst@0.1", "pgd@0.2", "fgsm@0.2", "worst@0.2", "l2@0.05"]


def test_refuses_what_cannot_be_compared():
    a = run(clean_rows(CLEAN), attacked("fgsm", 0.1, CLEAN, CLEAN))
    with pytest.raises(ValueError, match="A on mnist, B on cifar10"):
        compare(a, run(clean_rows(CLEAN), data="cifar10"))
    with pytest.raises(ValueError, match=r"only A has fgsm@0\.1 linf; only B has pgd@0\.1 linf"):
        compare(a, run(clean_rows(CLEAN), attacked("pgd", 0.1, CLEAN, CLEAN)))
    with pytest.raises(ValueError, match="neither was attacked"):
        compare(*[run(clean_rows(CLEAN))] * 2)
    with pytest.raises(ValueError, match="share no test image"):
        compare(a, run(attacked("fgsm", 0.1, CLEAN, CLEAN, first=100)))
    apart = run(clean_rows([1] * 20), attacked("fgsm", 0.1, CLEAN, CLEAN, first=10))
    with pytest.raises(ValueError, match=r"fgsm@0\.1: no test image was attacked in both"):
        compare(a, apart)
    relabelled = a.samples.assign(label=a.samples["label"].where(a.samples["index"] != 4, 7))
    with pytest.raises(ValueError, match="image 4 is of class 3 in A and of class 7 in B"):
        compare(a, Rows(a.records, pd.DataFrame(relabelled)))
