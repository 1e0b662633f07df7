import pytest
from sample_rows import attacked, summed

from hardlight.evaluation.disagreement import disagreement

N = 200
CLEAN = [1] * N


def outcome(standing):
    return [int(i < standing) for i in range(N)]


def said(*attacks, **facts):
    """Of (name, eps, standing of 200, backward passes)."""
    return disagreement(*summed(*(attacked(a, eps, CLEAN, outcome(k), passes=p) for a, eps, k, p in attacks), **facts))


def test_a_single_step_alone_overstates():
    assert said(("fgsm", 0.2, 122, 1), ("pgd", 0.2, 7, 40)) == [
        "gda · brelu: fgsm@0.2 leaves 61.0 % standing, pgd@0.2 3.5 %: fgsm alone would have overstated its robustness."
    ]


def test_masked_gradients():
    assert said(("pgd", 0.2, 122, 40), ("fgsm", 0.2, 100, 1)) == [
        "gda · brelu: pgd@0.2 leaves 61.0 % standing, fgsm@0.2 50.0 %: "
        "a single step breaks more than pgd, a sign of masked gradients."
    ]
    assert said(("pgd", 0.2, 122, 40), ("noise", 0.2, 100, 0)) == [
        "gda · brelu: pgd@0.2 leaves 61.0 % standing, noise@0.2 50.0 %: "
        "noise uses no gradient and breaks more than pgd, a sign of masked gradients."
    ]


def test_a_weak_attack_beside_a_strong_one_of_its_kind_says_nothing():
    universal = ("universal", 0.2, 180, 100)
    assert said(universal, ("fgsm", 0.2, 60, 1), ("noise", 0.2, 120, 0), ("pgd", 0.2, 60, 40)) == []
    (sentence,) = said(universal, ("fgsm", 0.2, 60, 1), ("pgd", 0.2, 90, 40))
    assert "a single step breaks more than pgd" in sentence
    assert len(said(("fgsm", 0.2, 122, 1), ("pgd", 0.2, 7, 40), ("apgd", 0.2, 5, 100))) == 1


def test_what_is_as_it_should_be_is_not_said():
    assert said(("fgsm", 0.2, 50, 1), ("noise", 0.2, 190, 0)) == []
    assert said(("pgd", 0.2, 50, 40), ("pgd2", 0.2, 190, 20)) == []
    assert said(("fgsm", 0.2, 122, 1), ("pgd", 0.1, 7, 40)) == []


@pytest.mark.parametrize(("broken", "sentences"), [(7, 0), (8, 1)])
def test_only_a_significant_difference_counts(broken, sentences):
    # All discordant pairs on one side: p = 2·2⁻⁷ = 0.0156 for seven of them, 2·2⁻⁸ = 0.0078 for eight.
    assert len(said(("fgsm", 0.2, 122, 1), ("pgd", 0.2, 122 - broken, 40))) == sentences


def test_each_pair_once_where_it_is_widest():
    (sentence,) = said(
        *(("fgsm", eps, k, 1) for eps, k in ((0.1, 150), (0.2, 100), (0.3, 40))),
        *(("pgd", eps, k, 40) for eps, k in ((0.1, 120), (0.2, 20), (0.3, 0))),
    )
    assert sentence.startswith("gda · brelu: fgsm@0.2 leaves 50.0 % standing, pgd@0.2 10.0 %")


def test_pairs_are_of_the_samples_both_saw():
    fgsm = attacked("fgsm", 0.2, CLEAN, outcome(100))  # the first hundred stand, where pgd looked
    pgd = attacked("pgd", 0.2, CLEAN[:50], outcome(200)[:50], passes=40)
    assert disagreement(*summed(fgsm, pgd)) == []
