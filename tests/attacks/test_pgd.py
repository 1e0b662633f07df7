import pytest
import torch
from linear_oracle import rows_opposed, rows_with_blocks

from hardlight.attacks import FGSM, PGD
from hardlight.attacks.goal import LOSSES
from hardlight.tensors import norms

EPS = {"linf": 0.12, "l2": 0.25}


class Recorder:
    """Keeps every batch of images it is asked about, and its logits."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def __call__(self, x):
        logits = self.model(x)
        self.asked.append((x.detach().clone(), logits.detach()))
        return logits


def fooled(model, x, y):
    return model(x).argmax(1) != y


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("random_start", [True, False])
@pytest.mark.parametrize("step_size", [None, 0.01, 5.0])
def test_every_iterate_is_inside_the_ball_and_the_box(mlp, batch, norm, random_start, step_size):
    x, y = batch
    recorder = Recorder(mlp)
    attack = PGD(eps=EPS[norm], norm=norm, steps=6, random_start=random_start, step_size=step_size, restarts=2)
    x_adv = attack(recorder, x, y)
    for image in (x_adv, *(image for image, _ in recorder.asked)):
        assert norms(image - x, norm).max() <= EPS[norm] * (1 + 1e-6) + 1e-6
        assert image.min() >= 0
        assert image.max() <= 1


@pytest.mark.parametrize("loss", ["margin", "cross_entropy"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_result_is_the_iterate_of_highest_loss_and_fools_if_any_does(mlp, batch, norm, loss):
    x, y = batch
    recorder = Recorder(mlp)
    x_adv = PGD(eps=EPS[norm], norm=norm, steps=8, loss=loss, step_size=EPS[norm])(recorder, x, y)
    images = torch.stack([image for image, _ in recorder.asked])
    losses = torch.stack([LOSSES[loss](logits, y).double() for _, logits in recorder.asked])
    fools = torch.stack([logits.argmax(1) != y for _, logits in recorder.asked])
    best = (losses + 1e6 * fools).argmax(0)
    assert torch.equal(x_adv, images[best, torch.arange(64)])
    assert best.unique().numel() > 3  # neither the first nor the last alone
    assert fools.any(0).double().mean() < 1


def test_a_step_is_as_long_as_it_says(linear):
    weight = rows_opposed(12, seed=0)
    x = torch.full((3, 3, 2, 2), 0.5, dtype=torch.float64)
    y = torch.zeros(3, dtype=torch.int64)
    kwargs = {"steps": 3, "random_start": False, "eps": 0.1}
    for step_size, moved in ((0.01, 0.03), (None, 0.1)):
        x_adv = PGD(step_size=step_size, **kwargs)(linear(weight), x, y)
        torch.testing.assert_close(x_adv, x - moved * weight[0].sign().reshape(3, 2, 2))
        x_adv = PGD(step_size=step_size, norm="l2", **kwargs)(linear(weight), x, y)
        torch.testing.assert_close(x_adv, x - moved * (weight[0] / weight[0].norm()).reshape(3, 2, 2))


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("restarts", [1, 3])
def test_early_stop_fools_the_same_samples(mlp, batch, norm, restarts):
    x, y = batch
    results = {}
    for early_stop in (False, True):
        attack = PGD(eps=EPS[norm], norm=norm, steps=10, restarts=restarts, early_stop=early_stop)
        results[early_stop] = fooled(mlp, attack(mlp, x, y), y)
    assert 0.2 < results[True].double().mean() < 0.95
    assert torch.equal(results[True], results[False])


def test_early_stop_leaves_those_it_did_not_fool_as_the_full_attack_does(mlp, batch):
    x, y = batch
    full, early = (PGD(eps=0.12, steps=10, restarts=2, early_stop=e)(mlp, x, y) for e in (False, True))
    left = ~fooled(mlp, full, y)
    assert left.any()
    torch.testing.assert_close(early[left], full[left])


def test_restarts_only_help(mlp, batch):
    x, y = batch
    few, many = (PGD(eps=0.05, steps=2, restarts=r)(mlp, x, y) for r in (1, 6))
    assert (fooled(mlp, few, y) <= fooled(mlp, many, y)).all()
    gain = LOSSES["margin"](mlp(many), y) - LOSSES["margin"](mlp(few), y)
    assert gain.min() >= 0
    assert gain.max() > 0


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_stronger_than_one_step(mlp, batch, norm):
    x, y = batch
    one = fooled(mlp, FGSM(eps=EPS[norm], norm=norm)(mlp, x, y), y)
    many = fooled(mlp, PGD(eps=EPS[norm], norm=norm, restarts=3)(mlp, x, y), y)
    assert many.sum() > one.sum()


def test_a_random_start_is_uniform_in_the_ball(linear):
    """With a constant model the start is the result; in l2 the radius of a uniform point has (r/eps)^d uniform."""
    x = torch.full((4000, 1, 2, 2), 0.5, dtype=torch.float64)
    y = torch.zeros(4000, dtype=torch.int64)
    model = linear(torch.zeros(2, 4, dtype=torch.float64))
    delta = PGD(eps=0.3, steps=1)(model, x, y) - x
    assert delta.abs().max() <= 0.3
    assert delta.var().item() == pytest.approx(0.3**2 / 3, rel=0.03)
    delta = PGD(eps=0.3, norm="l2", steps=1)(model, x, y) - x
    share = (norms(delta, "l2") / 0.3) ** 4
    assert share.max() <= 1
    assert share.mean().item() == pytest.approx(1 / 2, abs=0.02)
    assert share.var().item() == pytest.approx(1 / 12, rel=0.05)


def test_targeted_reaches_its_target(linear):
    model = linear(rows_with_blocks(4, 12, seed=0))
    x = 0.45 + 0.1 * torch.rand(30, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = model(x).argmax(1)
    y_target = (y + 1 + torch.arange(30) % 3) % 4
    assert (model(PGD(eps=0.2)(model, x, y, y_target=y_target)).argmax(1) == y_target).all()


@pytest.mark.parametrize("loss", ["margin", "cross_entropy"])
def test_targeted_comes_nearer_to_its_target(mlp, batch, loss):
    x, y = batch
    y_target = (mlp(x).argmax(1) + 1 + torch.arange(64) % 3) % 4
    x_adv = PGD(eps=0.05, loss=loss)(mlp, x, y, y_target=y_target)
    assert (LOSSES[loss](mlp(x_adv), y_target) < LOSSES[loss](mlp(x), y_target)).all()


def peak(x):
    """Best for the attacker right beside the clean image 0.5, worse further off: every step overshoots."""
    wrong = -(x.flatten(1) - 0.501).abs().sum(1)
    return torch.stack([torch.zeros_like(wrong), wrong], 1)


@pytest.mark.parametrize("random_start", [True, False])
@pytest.mark.parametrize("y", [0, 1])
def test_no_clean_copies_even_where_the_clean_image_is_the_best(random_start, y):
    x = torch.full((5, 1, 3, 3), 0.5)
    x_adv = PGD(eps=0.1, steps=4, random_start=random_start)(peak, x, torch.full((5,), y))
    assert (x_adv != x).flatten(1).any(1).all()


@pytest.mark.parametrize("attack", [PGD(eps=0.02), PGD(eps=0.02, norm="l2", random_start=False), FGSM(eps=0.02)])
def test_no_clean_copies_of_those_not_fooled_nor_of_those_already_wrong(attack, mlp, batch):
    x, y = batch
    x_adv = attack(mlp, x, y)
    assert (~fooled(mlp, x_adv, y)).any()
    assert fooled(mlp, x, y).any()
    assert (x_adv != x).flatten(1).any(1).all()


def test_early_stop_returns_unchanged_what_was_wrong_already(mlp, batch):
    x, y = batch
    x_adv = PGD(eps=0.1, random_start=False, early_stop=True)(mlp, x, y)
    wrong = fooled(mlp, x, y)
    assert torch.equal(x_adv[wrong], x[wrong])
