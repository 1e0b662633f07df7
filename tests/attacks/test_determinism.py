"""Equal seeds give equal images, whatever batch a sample comes in."""

from dataclasses import replace

import pytest
import torch

from hardlight.attacks import BIM, FGSM, MIFGSM, PGD, MinimalFGSM, Noise, RandomFGSM

RANDOM = [
    Noise(eps=0.1),
    Noise(eps=0.3, norm="l2", kind="gaussian"),
    Noise(eps=0.1, kind="sign"),
    RandomFGSM(eps=0.1),
    PGD(eps=0.1, steps=5, restarts=2),
    PGD(eps=0.3, norm="l2", steps=5, early_stop=True),
]
ALL = [
    FGSM(eps=0.1),
    FGSM(eps=0.3, norm="l2"),
    FGSM(eps=1.0, norm="l1", label="predicted"),
    BIM(eps=0.1, steps=5),
    MIFGSM(eps=0.3, norm="l2", steps=5, early_stop=True),
    MinimalFGSM(norm="l1", eps_step=0.1, eps_max=1.0),
    *RANDOM,
]


@pytest.mark.parametrize("attack", ALL, ids=repr)
def test_bit_equal_again(attack, mlp, batch):
    torch.manual_seed(0)
    first = attack(mlp, *batch)
    torch.manual_seed(1)
    assert torch.equal(first, attack(mlp, *batch))


@pytest.mark.parametrize("attack", RANDOM, ids=repr)
def test_another_seed_or_index_is_another_draw(attack, mlp, batch):
    x, y = batch
    x_adv = attack(mlp, x, y)
    assert not torch.equal(x_adv, replace(attack, seed=1)(mlp, x, y))
    assert not torch.equal(x_adv, attack(mlp, x, y, index=torch.arange(64) + 64))


@pytest.mark.parametrize("attack", ALL, ids=repr)
def test_order_and_company_do_not_matter(attack, mlp, batch):
    x, y = batch
    x_adv = attack(mlp, x, y)
    mixed = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(attack(mlp, x[mixed], y[mixed], index=mixed), x_adv[mixed])
    for rows in torch.arange(64).split([1, 13, 50]):
        part = attack(mlp, x[rows], y[rows], index=rows)
        torch.testing.assert_close(part, x_adv[rows])
        if isinstance(attack, Noise):
            assert torch.equal(part, x_adv[rows])


@pytest.mark.parametrize("attack", ALL, ids=repr)
def test_no_samples(attack, mlp, batch):
    x, y = batch
    outcome = attack.run(mlp, x[:0], y[:0])
    assert outcome.x_adv.shape == (0, 3, 2, 2)
    assert outcome.forward_passes.shape == (0,)
