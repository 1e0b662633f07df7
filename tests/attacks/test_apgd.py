"""Auto-PGD against the papers' algorithms, written out for one image at a time in NumPy."""

import math

import numpy as np
import pytest
import torch
from linear_oracle import Linear, at_distance, rows_opposed, rows_with_blocks
from scipy.optimize import brentq
from torch import nn

from hardlight.attacks import APGD, PGD
from hardlight.attacks.randomness import normal
from hardlight.tensors import norms

EPS = {"linf": 0.1, "l2": 0.25, "l1": 0.6}
ORDER = {"linf": np.inf, "l2": 2, "l1": 1}
CHECKS = {
    100: [22, 41, 57, 70, 80, 87, 93, 99],
    20: [5, 9, 12, 14, 16, 18, 19, 20],
    7: [2, 3, 4, 5, 6, 7],
    5: [2, 3, 4, 5],
}
PLACES = pytest.mark.parametrize(
    ("norm", "steps", "rho"),
    [
        *(("linf", 100, 0.75), ("linf", 20, 0.1)),  # a low rho leaves the other condition to decide
        *(("linf", 7, 0.75), ("linf", 5, 0.75)),  # where two checkpoints may be one
        *(("l2", 100, 0.1), ("l2", 20, 0.75), ("l1", 100, 0.75), ("l1", 50, 0.75)),
    ],
)
LOSSES = ["cross_entropy", "margin", "dlr", "targeted_dlr"]


class Recorder:
    """Keeps every batch of images it is asked about."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def __call__(self, x):
        self.asked.append(x.detach().clone())
        return self.model(x)


class Scaled(nn.Module):
    def __init__(self, net, by):
        super().__init__()
        self.net, self.by = net, by

    def forward(self, x):
        return self.by * self.net(x)


def fooled(model, x, y):
    return model(x).argmax(1) != y


def textbook_loss(z, y, loss):
    if loss == "cross_entropy":
        return torch.nn.functional.cross_entropy(z[None], torch.tensor([y]))
    return torch.cat([z[:y], z[y + 1 :]]).max() - z[y]


def nearest(point, image, norm, eps=None):
    """Of the ball and the box; in l2 of the ball, then of the box."""
    delta, eps = point - image, eps or EPS[norm]
    if norm == "linf":
        delta = np.clip(delta, -eps, eps)
    elif norm == "l2":
        delta = delta * min(1, eps / np.linalg.norm(delta))
    else:
        room = np.where(delta > 0, 1 - image, image)

        def shrunk(by):
            return np.sign(delta) * np.minimum(np.maximum(np.abs(delta) - by, 0), room)

        if np.abs(shrunk(0)).sum() > eps:
            delta = shrunk(brentq(lambda by: np.abs(shrunk(by)).sum() - eps, 0, np.abs(delta).max(), xtol=1e-15))
        else:
            delta = shrunk(0)
    return np.clip(image + delta, 0, 1)


class OneImage:
    """What the model says of one image in float64."""

    def __init__(self, model, y, loss):
        self.model, self.y, self.loss = model, y, loss

    def __call__(self, image):
        leaf = torch.from_numpy(image).requires_grad_()
        z = self.model(leaf[None])[0]
        value = textbook_loss(z, self.y, self.loss)
        (gradient,) = torch.autograd.grad(value, leaf)
        return (int(z.argmax()) != self.y, value.item()), gradient.numpy()


def halving(ask, image, start, norm, steps, rho):
    """Croce and Hein 2020, algorithm 1; a rank is (fooled, loss). Every iterate."""
    size, before, x = 2 * EPS[norm], start, start
    rank, gradient = ask(x)
    best, best_rank, best_gradient = x, rank, gradient
    iterates, ranks, at_last_check, halved_last, last = [x], [rank], best_rank, False, 0
    for k in range(1, steps + 1):
        ascent = np.sign(gradient) if norm == "linf" else gradient / np.linalg.norm(gradient)
        z = nearest(x + size * ascent, image, norm)
        new = z if k == 1 else nearest(x + 0.75 * (z - x) + 0.25 * (x - before), image, norm)
        before, x = x, new
        rank, gradient = ask(x)
        iterates.append(x)
        ranks.append(rank)
        if rank > best_rank:
            best, best_rank, best_gradient = x, rank, gradient
        if k in CHECKS[steps]:
            rises = sum(ranks[i + 1][1] > ranks[i][1] for i in range(last, k))
            poor = rises < rho * (k - last) or (not halved_last and best_rank == at_last_check)
            if poor:
                size, x, gradient, ranks[-1] = size / 2, best, best_gradient, best_rank
            halved_last, at_last_check, last = poor, best_rank, k
    return iterates, best


def sparse(ask, image, start, radius, steps, before=((False, -math.inf), None, None)):
    """Croce and Hein 2021, algorithm 1, from ``start``. Every iterate; the best, or that before: rank, x, gradient."""
    best_rank, best, best_gradient = before
    size, x, every = radius, start, max(steps * 4 // 100, 1)
    changed = (np.abs(x - image) > 1e-14).sum()
    iterates, gradient = [], None
    for k in range(steps + 1):
        if k:
            chosen = np.argsort(-np.abs(gradient).ravel())[: max(math.floor(changed / 1.5), 1)]
            ascent = np.zeros(image.size)
            ascent[chosen] = np.sign(gradient.ravel()[chosen])
            x = nearest(x + size * ascent.reshape(image.shape) / np.abs(ascent).sum(), image, "l1", radius)
        rank, gradient = ask(x)
        iterates.append(x)
        if rank > best_rank:
            best, best_rank, best_gradient = x, rank, gradient
        if k and k % every == 0:
            now = (np.abs(best - image) > 1e-14).sum()
            if now / changed < 0.95:
                size, x, gradient = radius, best, best_gradient
            else:
                size = max(size / 1.5, radius / 10)
            changed = now
    return iterates, (best_rank, best, best_gradient)


def sparse_in_parts(ask, image, noisy, steps):
    """A tenth of the steps within eps; of the rest 30, 30 and 40 % within 3·eps, 2·eps and eps."""
    eps, tenth = EPS["l1"], steps // 10
    third = 3 * (steps - tenth) // 10
    first, found = sparse(ask, image, nearest(noisy, image, "l1", eps), eps, tenth)
    wide, (_, high, _) = sparse(ask, image, nearest(noisy, image, "l1", 3 * eps), 3 * eps, third - 1)
    less, (_, high, _) = sparse(ask, image, nearest(high, image, "l1", 2 * eps), 2 * eps, third - 1)
    start, left = nearest(high, image, "l1", eps), steps - tenth - 2 * third - 1
    last, (_, best, _) = sparse(ask, image, start, eps, left, found)
    return first + wide + less + last, best


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
@PLACES
def test_every_iterate_is_the_papers(norm, steps, rho, loss, mlp, batch):
    mlp.double()
    x, y = (values[4:11] for values in batch)
    x = x.double()
    recorder = Recorder(mlp)
    x_adv = APGD(eps=EPS[norm], norm=norm, steps=steps, rho=rho, loss=loss)(recorder, x, y)
    asked = torch.stack(recorder.asked, 1).numpy()
    noise = normal(torch.arange(len(x)), x, seed=0, stream="apgd").numpy()
    for k, (image, mine, result) in enumerate(zip(x.numpy(), asked, x_adv.numpy(), strict=True)):
        ask = OneImage(mlp, int(y[k]), loss)
        if norm == "l1":
            iterates, best = sparse_in_parts(ask, image, image + noise[k], steps)
        else:
            iterates, best = halving(ask, image, mine[0], norm, steps, rho)
        np.testing.assert_allclose(mine, np.stack(iterates), rtol=0, atol=1e-8)
        np.testing.assert_allclose(result, best, rtol=0, atol=1e-8)
    assert 0 < fooled(mlp, x_adv, y).double().mean() < 1


RADIUS = {"linf": 0.05, "l2": 0.1, "l1": 0.1}
# With more than two classes a random start may be closer to another than the nearest, and lead there; and in l1 the
# oracle's many equal weights make the steps of a sparse ascent anything but sparse.
FAIR = [
    *((norm, 2, loss) for norm in RADIUS for loss in LOSSES),
    ("linf", 3, "targeted_dlr"),
    ("l2", 4, "targeted_dlr"),
]


@pytest.mark.parametrize(("norm", "classes", "loss"), FAIR)
def test_a_hair_decides_on_a_linear_model(norm, classes, loss):
    weight = rows_opposed(48, seed=1) if classes == 2 else rows_with_blocks(classes, 48, seed=2)
    model, radius = Linear(weight), RADIUS[norm]
    x, y = at_distance(weight, (3, 4, 4), 12, norm, radius)
    for eps, share in ((radius * (1 - 1e-9), 0), (radius * (1 + 1e-9), 1)):
        x_adv = APGD(eps=eps, norm=norm, loss=loss, early_stop=share == 1)(model, x, y)
        assert fooled(model, x_adv, y).double().mean() == share
        assert norms(x_adv - x, norm).max() <= eps * (1 + 1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("by", [1e-3, 1e4])
def test_confidence_is_no_defense(norm, loss, by, mlp, batch):
    x, y = batch
    attack = APGD(eps=EPS[norm], norm=norm, steps=20, loss=loss, early_stop=True)
    unsure = fooled(mlp, attack(mlp, x, y), y)
    assert 0.2 < unsure.double().mean() < 0.95
    model = Scaled(mlp, by)
    sure = fooled(model, attack(model, x, y), y)
    assert (sure != unsure).double().mean() <= (0.04 if loss == "cross_entropy" else 0.02)


def traps(x):
    """Class 1 comes closest to class 0 and never up to it; class 2, far behind, can be reached through pixel 1."""
    first, second = x.flatten(1)[:, 0] - 0.5, x.flatten(1)[:, 1] - 0.5
    never, far = (first - 1) / 10, 40 * (second - 0.19)
    return torch.stack([0 * first, never, far - 0.1, 0 * first - 20], 1)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_run_towards_each_class_finds_what_the_nearest_hides(norm):
    x, y = torch.full((20, 1, 1, 2), 0.5, dtype=torch.float64), torch.zeros(20, dtype=torch.int64)
    nearest, each, first = (
        APGD(eps=0.2, norm=norm, steps=30, **settings)(traps, x, y)
        for settings in ({"loss": "dlr"}, {"loss": "targeted_dlr"}, {"loss": "targeted_dlr", "target_classes": 1})
    )
    assert fooled(traps, each, y).all()
    for one in (nearest, first):  # but for a lucky start, luckier in l1 where it is wide
        assert fooled(traps, one, y).double().mean() < 0.4


def test_what_it_costs():
    x, y = torch.full((4, 1, 1, 2), 0.5), torch.zeros(4, dtype=torch.int64)
    one = APGD(eps=0.01, steps=10).run(traps, x, y)
    assert one.forward_passes.tolist() == [11] * 4
    assert one.backward_passes.tolist() == [10] * 4
    for early_stop in (False, True):
        each = APGD(eps=0.01, steps=10, loss="targeted_dlr", early_stop=early_stop).run(traps, x, y)
        assert each.forward_passes.tolist() == [1 + 3 * 12] * 4
        assert each.backward_passes.tolist() == [30] * 4
    wrong = APGD(eps=0.01, early_stop=True).run(traps, x, y + 3)
    assert wrong.forward_passes.tolist() == [1] * 4


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_early_stop_fools_the_same_and_leaves_the_others_as_the_full_attack_does(norm, loss, mlp, batch):
    x, y = batch
    settings = {"eps": EPS[norm], "norm": norm, "steps": 20, "loss": loss, "restarts": 2}
    full, early = (APGD(early_stop=stop, **settings)(mlp, x, y) for stop in (False, True))
    left = ~fooled(mlp, full, y)
    assert 0.2 < left.double().mean() < 0.95
    assert torch.equal(fooled(mlp, early, y), ~left)
    torch.testing.assert_close(early[left], full[left], rtol=0, atol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_targeted_reaches_its_target(norm, loss):
    model = Linear(rows_with_blocks(4, 12, seed=0))
    x = 0.45 + 0.1 * torch.rand(30, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = model(x).argmax(1)
    y_target = (y + 1 + torch.arange(30) % 3) % 4
    attack = APGD(eps={"linf": 0.2, "l2": 0.4, "l1": 1.0}[norm], norm=norm, loss=loss, steps=30)
    assert (model(attack(model, x, y, y_target=y_target)).argmax(1) == y_target).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_step_size_needs_no_tuning(norm, mlp, batch):
    """It fools what PGD does with the best of many step sizes, within two images."""
    x, y = batch
    tuned = max(
        fooled(mlp, PGD(eps=EPS[norm], norm=norm, steps=40, step_size=EPS[norm] * by)(mlp, x, y), y).sum()
        for by in (0.03, 0.1, 0.3, 1)
    )
    assert fooled(mlp, APGD(eps=EPS[norm], norm=norm, steps=40, loss="margin")(mlp, x, y), y).sum() >= tuned - 2


@pytest.mark.parametrize(
    "settings",
    [
        *({"steps": v} for v in (0, 1.5, True, None)),
        *({"target_classes": v} for v in (0, 2.5)),
        *({"rho": v} for v in (-0.1, 1.1, math.nan, "1")),
        {"loss": "ce"},
        {"early_stop": 1},
        {"norm": "l0"},
    ],
)
def test_a_bad_setting_is_named(settings):
    ((field, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{field} must be") as error:
        APGD(eps=0.1, **settings)
    assert repr(value) in str(error.value)
