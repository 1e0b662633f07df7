"""JSMA against the paper's loop written out image by image, with the whole Jacobian and every pair tried."""

import itertools
import math

import pytest
import torch
from linear_oracle import Linear
from torch import nn

from hardlight.attacks import JSMA, saliency
from hardlight.tensors import norms


@pytest.fixture
def net():
    """4 classes on (3, 2, 2) images, of float64 and smooth, so that no step hangs on a rounding error."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 24), nn.Tanh(), nn.Linear(24, 4)).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2.5
        net[3].bias -= net(torch.rand(999, 3, 2, 2, dtype=torch.float64)).mean(0)
    return net


@pytest.fixture
def images(net):
    g = torch.Generator().manual_seed(7)
    x = (1.4 * torch.rand(20, 3, 2, 2, generator=g, dtype=torch.float64) - 0.2).clamp(0, 1)
    return x, net(x).argmax(1)


def salience(rule, gain, drop, features):
    gain, drop = sum(gain[i] for i in features), sum(drop[i] for i in features)
    if rule == "target":
        return gain
    return gain * drop if gain > 0 and drop > 0 else 0.0


def by_hand(net, image, target, reached, *, rule, outputs, theta, gamma, reuse):
    """One image (3, 2, 2) and the number of forward passes; the image itself where it cannot be done."""
    origin, x, passes = image.flatten(), image.flatten().clone(), 0
    width = 1 if rule == "single" else 2

    def forward(flat):
        logits = net(flat.reshape(1, 3, 2, 2))[0]
        return logits.softmax(0) if outputs == "softmax" else logits

    while True:
        passes += 1
        if reached(int(forward(x).argmax())):
            return x.reshape(3, 2, 2), passes
        jacobian = torch.autograd.functional.jacobian(forward, x) * (1 if theta > 0 else -1)
        gain = jacobian[target].tolist()
        drop = (-sum(jacobian[k] for k in range(4) if k != target)).tolist()
        changed = [i for i in range(12) if x[i] != origin[i]]
        usable = [i for i in range(12) if (x[i] < 1 if theta > 0 else x[i] > 0) and (reuse or i not in changed)]
        if len(changed) + width > gamma * 12:
            usable = [i for i in usable if i in changed]
        ranked = [(salience(rule, gain, drop, pair), pair) for pair in itertools.combinations(usable, width)]
        if not ranked or (rule != "target" and max(ranked)[0] <= 0):
            return image, passes
        for i in max(ranked)[1]:
            x[i] = (x[i] + theta).clamp(0, 1)


@pytest.mark.parametrize("outputs", ["logits", "softmax"])
@pytest.mark.parametrize("rule", ["pair", "single", "target"])
@pytest.mark.parametrize(
    ("theta", "gamma", "reuse"),
    [(1.0, 1.0, True), (0.3, 1.0, True), (-0.3, 1.0, True), (0.4, 1.0, False), (0.15, 0.4, True), (-1.0, 0.4, False)],
)
def test_every_image_is_what_the_papers_loop_makes(rule, outputs, theta, gamma, reuse, net, images):
    x, y = images
    y_target = (y + 1 + torch.arange(20) % 3) % 4
    settings = {"rule": rule, "outputs": outputs, "theta": theta, "gamma": gamma, "reuse": reuse}
    outcome = JSMA(**settings).run(net, x, y, y_target=y_target)
    made = [by_hand(net, x[n], t, lambda k, t=t: k == t, **settings) for n, t in enumerate(y_target.tolist())]
    torch.testing.assert_close(outcome.x_adv, torch.stack([image for image, _ in made]), rtol=0, atol=1e-12)
    forwards = torch.tensor([passes for _, passes in made])
    assert torch.equal(outcome.forward_passes, 1 + forwards)
    two = outputs == "logits" and rule != "target"
    assert torch.equal(outcome.backward_passes, forwards * (2 if two else 1))
    moved = (outcome.x_adv != x).flatten(1).any(1)
    assert torch.equal(net(outcome.x_adv).argmax(1) == y_target, moved)
    assert moved.any()
    assert int(norms(outcome.x_adv - x, "l0").max()) <= gamma * 12


@pytest.mark.parametrize("rule", ["pair", "single"])
def test_all_is_the_smallest_change_of_every_class(rule, net, images):
    x, y = images
    settings = {"rule": rule, "outputs": "logits", "theta": 0.25, "gamma": 0.8, "reuse": True}
    smallest = []
    for n, label in enumerate(y.tolist()):
        tries = [by_hand(net, x[n], t, lambda k, y=label: k != y, **settings)[0] for t in range(4) if t != label]
        counts = [int((image != x[n]).sum()) for image in tries]
        smallest.append(min((count for count in counts if count), default=0))
    x_adv = JSMA(**settings, targets="all")(net, x, y)
    assert norms(x_adv - x, "l0").tolist() == smallest
    assert len(set(smallest)) > 2
    assert torch.equal(net(x_adv).argmax(1) != y, norms(x_adv - x, "l0") > 0)


def test_least_likely_heads_for_the_smallest_logit(net, images):
    x, y = images
    settings = {"rule": "pair", "outputs": "softmax", "theta": 0.3, "gamma": 1.0, "reuse": True}
    x_adv = JSMA(**settings, targets="least_likely")(net, x, y)
    for n, label in enumerate(y.tolist()):
        target = int(net(x[n : n + 1]).argmin())
        expected, _ = by_hand(net, x[n], target, lambda k, y=label: k != y, **settings)
        torch.testing.assert_close(x_adv[n], expected, rtol=0, atol=1e-12)


def test_random_targets_are_every_class_but_the_label_and_the_samples_own(net, images):
    x, y = images[0][:1].expand(600, 3, 2, 2), images[1][:1].expand(600)
    attack, index = JSMA(targets="random", theta=0.3), torch.arange(600)
    ways = {w: attack(net, x[:1], y[:1], index=index[w : w + 1]).flatten().tolist() for w in range(20)}
    x_adv = attack(net, x, y, index=index)
    for w, way in ways.items():
        assert x_adv[w].flatten().tolist() == pytest.approx(way, abs=1e-12)
    directions = x_adv.flatten(1).mul(1e6).round().unique(dim=0, return_counts=True)[1]
    assert len(directions) == 3  # one a class
    assert int(directions.min()) > 600 / 3 - 5 * math.sqrt(600 * 2 / 9)
    again = JSMA(targets="random", theta=0.3, seed=1)(net, x, y, index=index)
    assert not torch.equal(again, x_adv)


def test_restarts_keep_the_smallest_change(net, images):
    x, y = images
    single = norms(JSMA(targets="random", theta=0.3)(net, x, y) - x, "l0")
    several = norms(JSMA(targets="random", theta=0.3, restarts=12)(net, x, y) - x, "l0")
    every = norms(JSMA(targets="all", theta=0.3)(net, x, y) - x, "l0")
    assert torch.equal(several, every)
    assert torch.equal(norms(JSMA(targets="least_likely", theta=0.3, restarts=12)(net, x, y) - x, "l0"), every)
    assert (several < single).any()


@pytest.mark.parametrize("theta", [1.0, -1.0])
def test_on_a_linear_model_no_fewer_features_would_do(theta):
    """Whole steps from one edge of the box on two classes: the steepest features, in order, are the fewest."""
    w = 0.4 + torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = Linear(torch.stack([w, -w]))
    x = torch.full((1, 3, 4, 5), 0.0 if theta > 0 else 1.0, dtype=torch.float64)
    y = model(x).argmax(1)
    lead = float((model(x)[0, 0] - model(x)[0, 1]).abs().detach() / 2)
    steps = (-w if y == 0 else w) * theta
    fewest = int((steps.sort(descending=True).values.cumsum(0) <= lead).sum()) + 1
    assert fewest > 3
    assert int(norms(JSMA(rule="single", theta=theta)(model, x, y) - x, "l0")) == fewest
    assert int(norms(JSMA(theta=theta)(model, x, y) - x, "l0")) in (fewest, fewest + 1)


def test_a_probability_that_rounds_to_nothing_still_points_the_way(net, images):
    x, y = images[0].float(), images[1]
    steep = nn.Sequential(net.float(), Linear(1e4 * torch.eye(4)))
    y_target = (y + 1) % 4
    assert (steep(x).softmax(1).gather(1, y_target[:, None]) == 0).all()
    x_adv = JSMA(theta=0.2)(steep, x, y, y_target=y_target)
    assert (steep(x_adv).argmax(1) == y_target).double().mean() > 0.5


@pytest.mark.parametrize("rule", ["pair", "single"])
def test_gradients_whose_product_underflows_choose_as_any_others(rule, net, images):
    x, y = images[0].float(), images[1]
    flat = nn.Sequential(net.float(), Linear(2.0**-90 * torch.eye(4)))
    attack = JSMA(rule=rule, outputs="logits", theta=0.3)
    x_adv = attack(flat, x, y)
    assert torch.equal(x_adv, attack(net, x, y))
    assert (x_adv != x).any()


class TestBestPair:
    @pytest.mark.parametrize("at_once", [1 << 20, 1])
    @pytest.mark.parametrize("kind", ["independent", "tied", "opposed", "masked", "none"])
    @pytest.mark.parametrize("n", [1, 2, 3, 7, 30])
    def test_no_pair_is_better(self, n, kind, at_once, monkeypatch):
        monkeypatch.setattr(saliency, "_PAIRS_AT_ONCE", at_once)
        g = torch.Generator().manual_seed(n)
        gain, drop = torch.randn(2, 100, n, generator=g)
        if kind == "tied":
            gain, drop = gain.round(), drop.round()
        elif kind == "opposed":
            drop = 0.01 * drop - gain + 0.1
        elif kind == "masked":
            unusable = torch.rand(100, n, generator=g) < 0.6
            gain, drop = gain.masked_fill(unusable, -torch.inf), drop.masked_fill(unusable, -torch.inf)
        elif kind == "none":
            drop = -drop.abs()
        chosen, worth = saliency.best_pair(gain, drop)
        found = worth > 0
        gains, drops = gain[:, :, None] + gain[:, None], drop[:, :, None] + drop[:, None]
        scores = torch.where((gains > 0) & (drops > 0) & ~torch.eye(n, dtype=torch.bool), gains * drops, 0)
        best = scores.flatten(1).amax(1)
        assert torch.equal(found, best > 0)
        assert torch.equal(worth, best)
        assert torch.equal(scores[torch.arange(100), *chosen.unbind(1)][found], best[found])
        assert found.any() == (kind != "none" and n > 1)

    def test_where_nothing_can_be_pruned(self):
        """Every feature on the front: all pairs of 3·32·32, in blocks; those that share the total evenly are best."""
        gain = torch.linspace(-1, 3, 3072, dtype=torch.float64)[None]
        chosen, worth = saliency.best_pair(gain, 2 - gain)
        assert float(worth) == pytest.approx(4, abs=1e-12)
        assert float(gain[0, chosen[0]].sum()) == pytest.approx(2, abs=1e-12)
        assert len(set(chosen[0].tolist())) == 2


def test_large_images_take_little_memory():
    """3·64·64 features have 75 million pairs: as a dense table, gigabytes."""
    g = torch.Generator().manual_seed(0)
    model = Linear(torch.randn(5, 12288, generator=g))
    x = torch.rand(4, 3, 64, 64, generator=g)
    y = model(x).argmax(1)
    x_adv = JSMA(outputs="logits", targets="least_likely")(model, x, y)
    assert (model(x_adv).argmax(1) != y).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"norm": "l2"}, "norm must be one of l0"),
        ({"rule": "pairs"}, "did you mean pair"),
        ({"outputs": "logit"}, "did you mean logits"),
        ({"targets": "rand"}, "did you mean random"),
        ({"theta": 0}, "theta must be at least 0.001 above or below 0, got 0"),
        ({"theta": -0.0001}, "theta must be at least"),
        ({"theta": 1.5}, "theta must be a number from -1 to 1"),
        ({"theta": math.nan}, "theta must be a number"),
        ({"theta": True}, "theta must be a number"),
        ({"gamma": 0}, "gamma must be a number from 0 to 1, 0 excluded"),
        ({"gamma": 1.01}, "gamma must be"),
        ({"gamma": "1"}, "gamma must be"),
        ({"reuse": 1}, "reuse must be true or false"),
    ],
)
def test_a_bad_setting_is_named(settings, words):
    with pytest.raises(ValueError, match=words):
        JSMA(**settings)
