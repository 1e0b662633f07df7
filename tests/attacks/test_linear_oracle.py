"""Attacks against the closed form: a linear model's nearest adversarial image."""

import pytest
import torch
from linear_oracle import Linear, at_distance, rows_opposed, rows_with_blocks

from hardlight.attacks import BIM, FGSM, MIFGSM, PGD, RandomFGSM

SHAPES = [(1, 28, 28), (3, 8, 8), (1, 1, 2)]
SIZES = [1, 7, 33]
DTYPES = [torch.float32, torch.float64]
ROOM = {torch.float32: 1e-3, torch.float64: 1e-6}
RADIUS = {"linf": 0.05, "l2": 0.1, "l1": 0.1}


def flipped(attack_at, weight, shape, n, norm, dtype):
    """The share of samples that flip with eps a hair below the distance of them all, and a hair above."""
    x, y = at_distance(weight, shape, n, norm, RADIUS[norm])
    x, model = x.to(dtype), Linear(weight.to(dtype))
    assert (model(x).argmax(1) == y).all()
    shares = []
    for eps in (RADIUS[norm] * (1 - ROOM[dtype]), RADIUS[norm] * (1 + ROOM[dtype])):
        x_adv = attack_at(eps)(model, x, y)
        assert x_adv.shape == x.shape
        assert x_adv.dtype == dtype
        shares.append((model(x_adv).argmax(1) != y).double().mean().item())
    return shares


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestAHairDecides:
    @pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
    def test_fgsm_two_classes(self, norm, shape, n, dtype):
        weight = rows_opposed(torch.Size(shape).numel(), seed=1)
        assert flipped(lambda eps: FGSM(eps=eps, norm=norm), weight, shape, n, norm, dtype) == [0, 1]

    def test_pgd_linf_many_classes(self, shape, n, dtype):
        weight = rows_with_blocks(min(5, torch.Size(shape).numel()), torch.Size(shape).numel(), seed=2)

        def at(eps):
            return PGD(eps=eps, steps=10, random_start=False)

        assert flipped(at, weight, shape, n, "linf", dtype) == [0, 1]

    def test_pgd_linf_from_a_random_start(self, shape, n, dtype):
        weight = rows_opposed(torch.Size(shape).numel(), seed=2)
        assert flipped(lambda eps: PGD(eps=eps, steps=10), weight, shape, n, "linf", dtype) == [0, 1]

    @pytest.mark.parametrize("early_stop", [False, True])
    def test_pgd_l2(self, early_stop, shape, n, dtype):
        weight = rows_with_blocks(min(5, torch.Size(shape).numel()), torch.Size(shape).numel(), seed=3)

        def at(eps):
            return PGD(eps=eps, norm="l2", steps=5, random_start=False, early_stop=early_stop)

        assert flipped(at, weight, shape, n, "l2", dtype) == [0, 1]

    @pytest.mark.parametrize("norm", ["linf", "l2"])
    @pytest.mark.parametrize("attack", [BIM, MIFGSM])
    def test_iterated_fgsm_two_classes(self, attack, norm, shape, n, dtype):
        weight = rows_opposed(torch.Size(shape).numel(), seed=6)
        assert flipped(lambda eps: attack(eps=eps, norm=norm, steps=4), weight, shape, n, norm, dtype) == [0, 1]

    def test_fgsm_linf_many_classes(self, shape, n, dtype):
        weight = rows_with_blocks(min(7, torch.Size(shape).numel()), torch.Size(shape).numel(), seed=4)
        assert flipped(lambda eps: FGSM(eps=eps), weight, shape, n, "linf", dtype) == [0, 1]

    def test_random_fgsm_with_little_randomness(self, shape, n, dtype):
        # The random step can lose at most alpha, twice: the distance lies between eps - 2·alpha and eps.
        weight = rows_opposed(torch.Size(shape).numel(), seed=5)
        assert flipped(lambda eps: RandomFGSM(eps=eps, alpha=1e-9), weight, shape, n, "linf", dtype) == [0, 1]


def test_pgd_l2_from_a_random_start_comes_close(linear):
    weight = rows_opposed(64, seed=6)
    x, y = at_distance(weight, (1, 8, 8), 20, "l2", 0.2)
    x_adv = PGD(eps=0.206, norm="l2", steps=40)(linear(weight), x, y)
    assert (linear(weight)(x_adv).argmax(1) != y).all()
