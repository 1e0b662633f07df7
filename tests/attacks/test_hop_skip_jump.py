"""HopSkipJump: exact distances from decisions alone."""

import math

import pytest
import torch
from linear_oracle import at_distance, rows_opposed, rows_with_blocks
from piecewise_oracle import distances, polytope

from hardlight.attacks import DDN, HopSkipJump
from hardlight.tensors import norms


class Decisions:
    """What a service tells that returns a label: one-hot, with no gradient; notes the batches it is asked."""

    def __init__(self, net):
        self.net, self.batches = net, []

    def __call__(self, x):
        self.batches.append(len(x))
        with torch.no_grad():
            z = self.net(x)
        return torch.nn.functional.one_hot(z.argmax(1), z.shape[1]).to(x.dtype)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_closed_form_of_a_linear_model(norm, linear):
    weight = rows_opposed(12, seed=1)
    x, y = at_distance(weight, (3, 2, 2), 6, norm, 0.05)
    model = Decisions(linear(weight))
    outcome = HopSkipJump(norm=norm, steps=25).run(model, x, y)
    assert (model(outcome.x_adv).argmax(1) != y).all()
    found = norms(outcome.x_adv - x, norm) / 0.05
    assert found.min() >= 1 - 1e-9
    assert found.max() < (1.02 if norm == "l2" else 1.15)
    assert found.median() < (1.01 if norm == "l2" else 1.1)
    assert outcome.backward_passes.sum() == 0


def test_more_steps_come_nearer_and_none_is_lost(linear):
    weight = rows_opposed(48, seed=2)
    x, y = at_distance(weight, (3, 4, 4), 8, "l2", 0.05)
    runs = [norms(HopSkipJump(steps=s)(linear(weight), x, y) - x, "l2") / 0.05 for s in (1, 5, 20)]
    assert (runs[1] <= runs[0]).all()  # the first steps are the same, and the nearest of all is kept
    assert (runs[2] <= runs[1]).all()
    assert runs[0].median() > 1.3
    assert runs[2].median() < 1.05


def test_a_hyperplane_with_the_box_in_the_way():
    net, x, y = polytope((1, 2, 4), 8, faces=1)
    x_adv = HopSkipJump(steps=25, tries=5000)(Decisions(net), x, y)
    share = norms(x_adv - x, "l2") / distances(net, x, "l2")
    assert share.min() >= 1 - 1e-9
    assert share.median() < 1.05
    assert share.max() < 1.5  # a step is clipped after its direction is chosen


def test_targeted(linear):
    weight = rows_with_blocks(4, 12, seed=0)
    x = 0.45 + 0.1 * torch.rand(6, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = linear(weight)(x).argmax(1)
    y_target = (y + 1 + torch.arange(6) % 3) % 4
    x_adv = HopSkipJump(steps=12)(Decisions(linear(weight)), x, y, y_target=y_target)
    assert (linear(weight)(x_adv).argmax(1) == y_target).all()
    gradient_found = norms(DDN()(linear(weight), x, y, y_target=y_target) - x, "l2")
    assert (norms(x_adv - x, "l2") < 1.1 * gradient_found).all()


def test_the_evaluations_are_counted_and_bounded(mlp, batch):
    x, y = batch
    attack = HopSkipJump(steps=9, init_evals=30, max_evals=70, tries=40)
    model = Decisions(mlp)
    outcome = attack.run(model, x, y)
    wrong = mlp(x).argmax(1) != y
    assert torch.equal(outcome.x_adv[wrong], x[wrong])
    assert (outcome.forward_passes[wrong] == 1).all()
    assert outcome.forward_passes.sum() == sum(model.batches)
    assert max(model.batches) <= 256
    moved = (outcome.x_adv != x).flatten(1).any(1)
    assert moved.sum() > 30
    bisected = math.ceil(math.log2(12**1.5))
    evals = sum(min(int(30 * math.sqrt(step)), 70) for step in range(1, 10))
    least = 1 + 1 + evals + 10 * max(10, bisected) + 9  # the image, a noise, the directions, the ways back, the leaps
    spent = outcome.forward_passes[moved]
    assert spent.min() >= least
    assert spent.max() <= least + 39 + 9 * 29
    assert outcome.backward_passes.sum() == 0


def test_what_no_noise_fools_stays_unchanged(batch):
    x, y = batch[0], torch.zeros(64, dtype=torch.int64)
    outcome = HopSkipJump(tries=7).run(lambda z: torch.tensor([[1.0, 0.0]]).expand(len(z), 2), x, y)
    assert torch.equal(outcome.x_adv, x)
    assert (outcome.forward_passes == 8).all()


def test_it_starts_from_noise_of_any_density(batch):
    """A net that only a nearly black image fools: uniform noise never does."""

    def by_brightness(z):
        return torch.stack([z.flatten(1).mean(1) - 0.1, torch.zeros(len(z), dtype=z.dtype)], 1)

    x, y = 0.3 + 0.4 * batch[0][:16], torch.zeros(16, dtype=torch.int64)
    x_adv = HopSkipJump(steps=3)(by_brightness, x, y)
    assert (by_brightness(x_adv).argmax(1) == 1).all()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_sample_walks_alike_in_any_batch(norm, mlp, batch):
    model, x, y = mlp.double(), batch[0][:6].double(), batch[1][:6]
    attack, index = HopSkipJump(norm=norm, steps=4), torch.arange(6) + 5
    together = attack(model, x, y, index=index)
    for n in range(6):
        alone = attack(model, x[n : n + 1], y[n : n + 1], index=index[n : n + 1])
        torch.testing.assert_close(alone[0], together[n], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("init_evals", 0), ("max_evals", 0), ("max_evals", 10**7), ("tries", 0)]
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=rf"{field} must be .*, got"):
        HopSkipJump(**{field: value})
