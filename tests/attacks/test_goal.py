import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softplus

from hardlight.attacks import FGSM, PGD, Goal
from hardlight.attacks.goal import cross_entropy_margin, margin


@pytest.fixture
def logits():
    return 3 * torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def y():
    return torch.randint(0, 6, (50,), generator=torch.Generator().manual_seed(1))


class TestDefinitions:
    def test_cross_entropy_is_softplus_of_u(self, logits, y):
        torch.testing.assert_close(
            softplus(cross_entropy_margin(logits, y)), cross_entropy(logits, y, reduction="none"), rtol=0, atol=1e-12
        )

    def test_u_has_the_direction_of_the_cross_entropy(self, logits, y):
        logits.requires_grad_()
        (u,) = torch.autograd.grad(cross_entropy_margin(logits, y).sum(), logits)
        (ce,) = torch.autograd.grad(cross_entropy(logits, y, reduction="sum"), logits)
        assert torch.cosine_similarity(u, ce).min() > 1 - 1e-9

    def test_margin_by_hand(self):
        z = torch.tensor([[1.0, 4.0, 3.0], [1.0, 4.0, 3.0]])
        assert margin(z, torch.tensor([1, 0])).tolist() == [-1, 3]

    def test_reached(self):
        z = torch.tensor([[1.0, 4.0, 3.0], [1.0, 4.0, 3.0]])
        y = torch.tensor([1, 0])
        assert Goal(y).reached(z).tolist() == [False, True]
        assert Goal(y, targeted=True).reached(z).tolist() == [True, False]

    @pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
    def test_targeted_is_the_negative(self, loss, logits, y):
        assert torch.equal(Goal(y, True, loss).value(logits), -Goal(y, False, loss).value(logits))

    def test_rows(self, logits, y):
        rows = torch.tensor([3, 8])
        part = Goal(y, targeted=True, loss="margin")[rows]
        assert torch.equal(part.value(logits[rows]), Goal(y, True, "margin").value(logits)[rows])


class Scaled(nn.Module):
    """A net whose confidence is turned up: the same predictions, logits ``by`` times as large."""

    def __init__(self, net: nn.Module, by: float) -> None:
        super().__init__()
        self.net, self.by = net, by

    def forward(self, x):
        return self.by * self.net(x)


def fooled(model, x_adv, y):
    return model(x_adv).argmax(1) != y


def plain_fgsm(model, x, y, eps):
    """The textbook's: the gradient of the softmax cross-entropy in the arithmetic of ``x``."""
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(model(leaf), y, reduction="sum"), leaf)
    return (x + eps * gradient.sign()).clamp(0, 1)


class TestSaturation:
    """A net sure of itself is no harder to attack, whatever its float32 softmax rounds to."""

    EPS = 0.15

    @pytest.mark.parametrize("norm", ["linf", "l2"])
    @pytest.mark.parametrize("by", [10, 1000])
    def test_confidence_does_not_help_against_the_margin(self, mlp, batch, norm, by):
        x, y = batch
        attack = PGD(eps=self.EPS if norm == "linf" else 0.3, norm=norm, steps=20)
        unsure = fooled(mlp, attack(mlp, x, y), y)
        sure = fooled(mlp, attack(Scaled(mlp, by), x, y), y)
        assert 0.2 < unsure.double().mean() < 0.95
        assert torch.equal(unsure, sure)

    @pytest.mark.parametrize("by", [1, 10, 1000])
    def test_float32_u_succeeds_where_float64_does(self, mlp, batch, by):
        x, y = batch
        single = fooled(mlp, FGSM(eps=self.EPS)(Scaled(mlp, by), x, y), y)
        mlp.double()
        double = fooled(mlp, FGSM(eps=self.EPS)(Scaled(mlp, by), x.double(), y), y)
        assert torch.equal(single, double)

    def test_where_a_plain_float32_cross_entropy_is_at_a_loss(self, mlp, batch):
        x, y = batch
        model = Scaled(mlp, 1000)
        plateau = fooled(mlp, plain_fgsm(model, x, y, self.EPS), y)
        u = fooled(mlp, FGSM(eps=self.EPS)(model, x, y), y)
        assert plateau.sum() < u.sum() - 10
        # and no eps helps it, since its gradient is exactly zero
        still = (plain_fgsm(model, x, y, 1.0) == x).flatten(1).all(1)
        assert still.double().mean() > 0.5
        assert not (FGSM(eps=self.EPS)(model, x, y) == x).flatten(1).all(1).any()
