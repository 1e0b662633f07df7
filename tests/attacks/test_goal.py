import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softplus

from hardlight.attacks import FGSM, PGD, Goal
from hardlight.attacks.goal import cross_entropy_margin, dlr, margin, rivals, targeted_dlr


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

    def test_rivals_by_hand(self):
        logits = torch.tensor([[1.0, 5.0, 3.0, 3.0], [9.0, 0.0, 8.0, 7.0]])
        assert rivals(logits, torch.tensor([1, 2])).tolist() == [[2, 3, 0], [0, 3, 1]]

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


class TestDLR:
    Z = torch.tensor([[1.0, 4.0, 3.0, 0.0]]).expand(3, 4)

    def test_by_hand(self):
        values = dlr(self.Z, torch.tensor([1, 2, 3]))
        assert values.tolist() == pytest.approx([-1 / 3, 1 / 3, 4 / 3])
        values = targeted_dlr(self.Z, torch.tensor([1, 1, 0]), torch.tensor([2, 3, 1]))
        assert values.tolist() == pytest.approx([-1 / 3.5, -4 / 3.5, 3 / 3.5])

    def test_of_three_classes_by_hand(self):
        z = self.Z[:, :3]
        assert dlr(z, torch.tensor([1, 2, 0])).tolist() == pytest.approx([-1 / 3, 1 / 3, 1])
        values = targeted_dlr(z, torch.tensor([1, 1, 0]), torch.tensor([2, 0, 1]))
        assert values.tolist() == [-1, -3, 3]

    def test_of_two_classes_it_is_the_margin(self):
        z = self.Z[:2, :2]
        assert dlr(z, torch.tensor([1, 0])).tolist() == [-3, 3]
        assert targeted_dlr(z, torch.tensor([1, 0]), torch.tensor([0, 1])).tolist() == [-3, 3]

    @pytest.mark.parametrize("classes", [3, 4, 6])
    def test_neither_shift_nor_scale_changes_it(self, classes, logits, y):
        z, y = logits[:, :classes], y % classes
        target = (y + 1) % classes
        for change in (1e-6 * z, 1e6 * z, z + 100):
            torch.testing.assert_close(dlr(change, y), dlr(z, y), rtol=0, atol=1e-8)
            if classes > 3:
                value = targeted_dlr(z, y, target)
                torch.testing.assert_close(targeted_dlr(change, y, target), value, rtol=0, atol=1e-8)

    @pytest.mark.parametrize("classes", [2, 3, 4, 6])
    def test_gradients_are_the_finite_differences(self, classes, logits, y):
        z, y = logits[:, :classes].clone().requires_grad_(), y % classes
        target = (y + 1) % classes
        torch.autograd.gradcheck(lambda z: dlr(z, y), z)
        torch.autograd.gradcheck(lambda z: targeted_dlr(z, y, target), z)

    @pytest.mark.parametrize("classes", [2, 3, 4, 6])
    def test_no_target_lies_on_a_plateau(self, classes, logits):
        """Over z_π1 - z_π3 the target that comes third would."""
        z = logits[:, :classes].clone().requires_grad_()
        order = z.argsort(dim=1, descending=True)
        for rank in range(1, classes):
            for value in (
                Goal(order[:, 0], loss="dlr", rival=order[:, rank]).value(z),
                Goal(order[:, rank], targeted=True, loss="dlr").value(z),
            ):
                (gradient,) = torch.autograd.grad(value.sum(), z)
                assert gradient.gather(1, order[:, [rank]]).min() > 1e-3

    def test_it_agrees_with_the_prediction(self, logits, y):
        assert torch.equal(dlr(logits, y) > 0, logits.argmax(1) != y)
        goal = Goal(y, targeted=True, loss="dlr")
        assert torch.equal(goal.value(logits) > 0, goal.reached(logits))
        assert goal.reached(logits).any()

    @pytest.mark.parametrize("z", [[0.0, 0, 0, 0], [5.0, 5, 5, -9], [1e15, 1e15, 1e15, 0], [3e-38, 0, 0, 0]])
    @pytest.mark.parametrize("classes", [2, 3, 4])
    def test_equal_and_vanishing_logits_give_finite_gradients(self, z, classes):
        leaf = torch.tensor([z[:classes]] * classes, requires_grad=True)
        y = torch.arange(classes)
        for value in (dlr(leaf, y), targeted_dlr(leaf, y, y.flip(0))):
            assert value.isfinite().all()
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
            assert gradient.isfinite().all()

    def test_rows_keep_their_rivals(self, logits, y):
        rows = torch.tensor([3, 8])
        goal = Goal(y, loss="dlr", rival=(y + 2) % 6)
        assert torch.equal(goal[rows].value(logits[rows]), goal.value(logits)[rows])


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
