"""BIM and MI-FGSM against loops written out in NumPy, on a model that is quadratic in the pixels."""

import math

import numpy as np
import pytest
import torch
from linear_oracle import rows_opposed
from torch import nn

from hardlight.attacks import BIM, FGSM, MIFGSM, PGD, Goal
from hardlight.attacks.goal import LOSSES

EPS = {"linf": 0.1, "l2": 0.3}


class Quadratic(nn.Module):
    """logits_k = Σ over pixels of a_k·x - b_k·x²/2."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = 6 * torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def forward(self, x):
        x = x.flatten(1)
        return x @ self.a.T - (x * x) @ self.b.T / 2


def by_hand(model, image, label, norm, steps, size, decay):
    """The iterate of highest cross-entropy, those that fool first, of one image (12,): momentum where decay is > 0."""
    a, b = model.a.numpy(), model.b.numpy()
    x, g = image.copy(), np.zeros(12)
    best, best_rank = None, None
    for step in range(steps + 1):
        z = a @ x - b @ (x * x) / 2
        p = np.exp(z - z.max())
        p /= p.sum()
        rank = (z.argmax() != label, -math.log(p[label]))
        if step and (best_rank is None or rank > best_rank):
            best, best_rank = x.copy(), rank
        gradient = (p - np.eye(4)[label]) @ (a - b * x)
        g = gradient if decay is None else decay * g + gradient / np.abs(gradient).sum()
        x = x + size * (np.sign(g) if norm == "linf" else g / np.sqrt((g * g).sum()))
        delta = x - image
        if norm == "linf":
            delta = np.clip(delta, -EPS[norm], EPS[norm])
        else:
            delta *= min(1, EPS[norm] / np.sqrt((delta * delta).sum()))
        x = np.clip(image + delta, 0, 1)
    return best


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("step_size", [None, 0.07])
@pytest.mark.parametrize("decay", [None, 0.0, 0.5, 1.0])
def test_every_image_is_what_the_loop_makes(norm, step_size, decay):
    model = Quadratic()
    x = torch.rand(40, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.arange(40) % 4
    settings = {"eps": EPS[norm], "norm": norm, "steps": 6, "step_size": step_size}
    attack = BIM(**settings) if decay is None else MIFGSM(decay=decay, **settings)
    size = step_size or EPS[norm] / 6
    expected = [by_hand(model, *pair, norm, 6, size, decay) for pair in zip(x.flatten(1).numpy(), y, strict=True)]
    x_adv = attack(model, x, y)
    np.testing.assert_allclose(x_adv.flatten(1).numpy(), np.stack(expected), rtol=0, atol=1e-10)
    assert (model(x_adv).argmax(1) != y).any()


def test_momentum_changes_the_images():
    model, x = Quadratic(), torch.rand(40, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.arange(40) % 4
    plain, none, some, whole = (
        attack(model, x, y)
        for attack in (BIM(eps=0.1), MIFGSM(eps=0.1, decay=0), MIFGSM(eps=0.1, decay=0.5), MIFGSM(eps=0.1))
    )
    torch.testing.assert_close(plain, none)
    assert not torch.allclose(plain, some)
    assert not torch.allclose(some, whole)


@pytest.mark.parametrize("attack", [BIM, MIFGSM])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_on_a_linear_model_it_is_the_fast_gradient_method(attack, norm, linear):
    model = linear(rows_opposed(12, seed=0))
    x = 0.4 + 0.2 * torch.rand(9, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.arange(9) % 2
    torch.testing.assert_close(attack(eps=0.2, norm=norm)(model, x, y), FGSM(eps=0.2, norm=norm)(model, x, y))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_is_pgd_without_a_random_start(norm, mlp, batch):
    settings = {"eps": EPS[norm], "norm": norm, "steps": 7, "loss": "cross_entropy"}
    pgd = PGD(step_size=EPS[norm] / 7, random_start=False, **settings)
    assert torch.equal(BIM(**settings)(mlp, *batch), pgd(mlp, *batch))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_momentum_stays_with_its_sample_when_others_leave(norm, mlp, batch):
    x, y = batch
    full, early = (MIFGSM(eps=EPS[norm], norm=norm, early_stop=e)(mlp, x, y) for e in (False, True))
    fooled = mlp(full).argmax(1) != y
    assert torch.equal(mlp(early).argmax(1) != y, fooled)
    assert 0.2 < fooled.double().mean() < 0.95
    torch.testing.assert_close(early[~fooled], full[~fooled])


@pytest.mark.parametrize("attack", [BIM, MIFGSM])
def test_exhaustive_spends_the_whole_budget(attack, mlp, batch):
    early = attack(eps=0.1, steps=3, early_stop=True)
    outcome = early.exhaustive().run(mlp, *batch)
    assert outcome.forward_passes.tolist() == [4] * 64
    assert outcome.backward_passes.tolist() == [3] * 64
    assert int(early.run(mlp, *batch).forward_passes.sum()) < 4 * 64


@pytest.mark.parametrize("loss", LOSSES)
def test_targeted_comes_nearer_to_its_target(loss, mlp, batch):
    x, y = batch
    y_target = (mlp(x).argmax(1) + 1 + torch.arange(64) % 3) % 4
    for attack in (BIM, MIFGSM):
        x_adv = attack(eps=0.05, loss=loss)(mlp, x, y, y_target=y_target)
        goal = Goal(y_target, targeted=True, loss=loss)
        assert (goal.value(mlp(x_adv)) > goal.value(mlp(x))).all()


@pytest.mark.parametrize(
    ("attack", "settings"),
    [
        *((attack, {"steps": v}) for attack in (BIM, MIFGSM) for v in (0, 1.5, True, None)),
        *((BIM, {"step_size": v}) for v in (0, -1, math.nan, "1")),
        *((MIFGSM, {"decay": v}) for v in (-0.1, math.inf, True, None)),
        (BIM, {"loss": "crossentropy"}),
        (MIFGSM, {"early_stop": 1}),
        (BIM, {"norm": "l1"}),
    ],
)
def test_a_bad_setting_is_named(attack, settings):
    ((field, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{field} must be") as error:
        attack(eps=0.1, **settings)
    assert repr(value) in str(error.value)
