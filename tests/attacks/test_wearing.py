"""What any attack can wear: the worst of restarts, the expectation over draws, a backward pass that it asks for."""

import threading
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from every_attack import EVERY, name
from linear_oracle import Linear, rows_opposed
from small_nets import small_batch, small_net
from torch import nn

from hardlight.attacks import FGSM, PGD, AutoAttack, MinimalNorm, Noise
from hardlight.attacks.goal import margin
from hardlight.attacks.queries import Queries
from hardlight.attacks.randomness import uniform
from hardlight.defenses import DefendedNet, DefenseStack, FeatureSqueezing
from hardlight.nets import BoundedReLU
from hardlight.tensors import norms

IMAGES = (3, 2, 2)


@pytest.fixture(scope="module")
def net():
    return small_net("mlp", IMAGES, 4)


@pytest.fixture(scope="module")
def images(net):
    return small_batch(net, 20, IMAGES)


@dataclass(frozen=True, kw_only=True)
class AnyImage(MinimalNorm):
    """Each sample's one random image, if it fools the model."""

    draws: ClassVar[bool] = True

    def perturb(self, queries, x, goal, index):
        found = uniform(index, x, seed=self.seed, stream="any_image")
        fooled = goal.reached(queries.logits(found))
        return torch.where(fooled[:, None, None, None], found, x)


class TestRestarts:
    @pytest.mark.parametrize("attack", [PGD(eps=0.05, steps=2, restarts=5), Noise(eps=0.2, norm="l2", restarts=7)])
    @pytest.mark.parametrize("targeted", [False, True])
    def test_the_worst_of_all_seeds_for_each_sample(self, attack, targeted, net, images):
        x, y = images
        goal = (net(x).argmax(1) + 1) % 4 if targeted else y
        y_target = goal if targeted else None
        runs = torch.stack([attack.again(r)(net, x, y, y_target=y_target) for r in range(attack.restarts)])
        gain = torch.stack([margin(net(run), goal) * (-1 if targeted else 1) for run in runs])
        fools = torch.stack([(net(run).argmax(1) == goal) == targeted for run in runs])
        best = (gain + 1e6 * fools).argmax(0)
        assert best.unique().numel() > 2
        assert torch.equal(attack(net, x, y, y_target=y_target), runs[best, torch.arange(20)])

    def test_the_smallest_of_all_seeds_that_fool(self, net, images):
        x, y = images
        attack = AnyImage(restarts=4)
        runs = torch.stack([attack.again(r)(net, x, y) for r in range(4)])
        fools = torch.stack([net(run).argmax(1) != y for run in runs])
        size = torch.stack([norms(run - x, "l2") for run in runs]).where(fools, torch.inf)
        expected = torch.where(fools.any(0)[:, None, None, None], runs[size.argmin(0), torch.arange(20)], x)
        assert torch.equal(attack(net, x, y), expected)
        assert (~fools).all(0).any()
        assert (fools.sum(0) > 1).any()

    def test_the_first_is_the_attack_itself_and_no_two_seeds_meet(self):
        for attack in (PGD(eps=0.1, restarts=9), PGD(eps=0.1, restarts=9, seed=2**63 - 1)):
            assert attack.again(0) == replace(attack, restarts=1)
        seeds = [PGD(eps=0.1, seed=seed).again(restart).seed for seed in range(30) for restart in range(100)]
        assert len(set(seeds)) == 3000
        outer = [AutoAttack(eps=1, norm="l1").again(restart).in_turn.attacks["apgd_ce"] for restart in range(5)]
        assert len({each.again(restart).seed for each in outer for restart in range(5)}) == 25

    def test_with_early_stop_those_that_are_fooled_sit_out(self, net, images):
        x, y = images
        attack = PGD(eps=0.1, steps=3, restarts=4, early_stop=True)
        outcome = attack.run(net, x, y)
        standing = torch.ones(20, dtype=torch.bool)
        expected = torch.zeros(20, dtype=torch.int64)
        for restart in range(4):
            once = attack.again(restart).run(net, x, y)
            expected += standing * (once.forward_passes + 1)  # and a look
            standing &= net(once.x_adv).argmax(1) == y
        assert outcome.forward_passes.tolist() == expected.tolist()
        assert expected.unique().numel() > 3
        assert torch.equal(net(outcome.x_adv).argmax(1) == y, standing)

    @pytest.mark.parametrize("attack", [attack for attack in EVERY if not attack.draws], ids=name)
    def test_refused_where_nothing_is_drawn(self, attack):
        with pytest.raises(ValueError, match=f"restarts must be 1, as {type(attack).__name__} draws no numbers"):
            replace(attack, restarts=2)


class Scaled(nn.Module):
    """A net whose logits are scaled anew for each image in each pass, by numbers around ``mean`` of either sign."""

    def __init__(self, net, mean):
        super().__init__()
        self.net, self.mean, self.scales, self.forwards, self.backwards = net, mean, [], 0, 0

    def forward(self, x):
        scale = self.mean + 2 * torch.rand(len(x), 1, dtype=x.dtype) - 1
        self.scales.append(scale)
        self.forwards += len(x)
        logits = scale * self.net(x)
        if logits.requires_grad:
            logits.register_hook(self._hook)
        return logits

    def _hook(self, gradient):
        self.backwards += len(gradient)


class Jittered(nn.Module):
    """A net behind noise of its own."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x + 0.3 * torch.randn_like(x))


class TestExpectation:
    def test_logits_and_gradients_are_the_means(self):
        weight = rows_opposed(12, seed=0)
        model = Scaled(Linear(weight), mean=0.5)
        x = torch.rand(6, *IMAGES, dtype=torch.float64)
        trace = Queries(model, 6, x.device).expected(10).trace(x)
        scale = torch.stack(model.scales).mean(0)
        torch.testing.assert_close(trace.logits, scale * Linear(weight)(x))
        gradient = trace.gradient(torch.tensor([[1.0, 0.0]] * 6, dtype=torch.float64))
        torch.testing.assert_close(gradient.flatten(1), scale * weight[0])

    @pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
    def test_a_step_is_that_of_the_expected_model(self, norm, images):
        linear = Linear(rows_opposed(12, seed=0))
        x, y = images[0], images[0].flatten(1)[:, 0].round().long()
        expected = FGSM(eps=0.1, norm=norm)(linear, x, y)
        right = {}
        for eot in (1, 100):
            x_adv = FGSM(eps=0.1, norm=norm, eot=eot)(Scaled(linear, mean=0.5), x, y)
            right[eot] = (x_adv - expected).flatten(1).abs().amax(1) < 1e-9
        assert right[100].all()
        assert 0 < right[1].double().mean() < 1

    @pytest.mark.parametrize(
        ("attack", "looks"), [(FGSM(eps=0.1), 1), (PGD(eps=0.1, steps=4), 5), (PGD(eps=0.1, steps=4, restarts=3), 18)]
    )
    def test_every_draw_is_counted(self, attack, looks, net, images):
        model, told = Scaled(net, mean=2), []
        outcome = replace(attack, eot=7).run(model, *images, watch=told.append)
        assert outcome.forward_passes.tolist() == [7 * looks] * 20
        assert outcome.forward_passes.sum() == model.forwards == sum(told)
        assert outcome.backward_passes.sum() == model.backwards

    def test_stronger_on_a_randomised_model(self, net, images):
        x, y = images
        correct = net(x).argmax(1) == y
        x, y = x[correct], y[correct]
        model, left = Jittered(net), {}
        for eot in (1, 30):
            x_adv = PGD(eps=0.12, steps=10, eot=eot)(model, x, y)
            with torch.random.fork_rng():
                torch.manual_seed(1)
                left[eot] = torch.stack([model(x_adv).argmax(1) == y for _ in range(200)]).double().mean()
        assert left[30] < left[1] - 0.03

    def test_one_seed_is_one_result_and_the_callers_random_state_stays(self, net, images):
        attack, model = PGD(eps=0.1, steps=3, eot=3, random_start=False), Jittered(net)
        found = []
        for state in (0, 1):
            torch.manual_seed(state)
            before = torch.get_rng_state()
            found.append(attack(model, *images))
            assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(*found)
        assert not torch.equal(found[0], replace(attack, seed=1)(model, *images))

    def test_the_predicted_label_is_that_of_the_expected_model(self, images):
        """Of a net that scales by -0.5 to 1.5, by 400 draws that are the seed's and not the caller's."""
        x, net = images[0], Linear(rows_opposed(12, seed=0))
        model, wrong = Scaled(net, mean=0.5), torch.zeros(20, dtype=torch.int64)
        attack = FGSM(eps=0.1, label="predicted", eot=400)
        found = [attack(model, x, wrong) for _ in range(2)]
        assert torch.equal(*found)
        assert torch.equal(found[0], FGSM(eps=0.1)(net, x, net(x).argmax(1)))


def defended(squeezing="exact", bounded="exact"):
    """A net that hides its gradients twice over."""
    layers = small_net("mlp", IMAGES, 4)
    with torch.no_grad():
        layers[1].weight *= 3
    layers[2] = BoundedReLU(0.3, bounded)
    return DefendedNet(layers, DefenseStack((FeatureSqueezing(bits=2, backward=squeezing),)))


class TestBackward:
    @pytest.mark.parametrize(
        ("backward", "squeezing", "bounded"),
        [
            ("adaptive", "straight_through", "leaky"),
            ("leaky", "soft", "leaky"),
            ("straight_through", "straight_through", "exact"),
            ("exact", "exact", "exact"),
            (None, "soft", "exact"),
        ],
    )
    @pytest.mark.parametrize("form", ["plain", "compiled"])
    def test_as_if_the_layers_were_set_so(self, backward, squeezing, bounded, form, images):
        """The net's own are soft and exact, and its values the same throughout."""
        x, y = images
        model, expected = defended("soft"), defended(squeezing, bounded)
        assert torch.equal(model(x), expected(x))
        if form == "compiled":
            torch.compiler.reset()
            model = torch.compile(model, backend="eager")
            model(x)
        for attack in (FGSM(eps=0.3, norm="l2"), PGD(eps=0.3, steps=2, norm="l2", restarts=2)):
            before = attack(model, x, y)
            assert torch.equal(replace(attack, backward=backward)(model, x, y), attack(expected, x, y))
            assert torch.equal(attack(model, x, y), before)

    def test_they_are_not_all_alike(self, images):
        found = [FGSM(eps=0.3, norm="l2")(defended(*own), *images) for own in (("soft",), ("soft", "leaky"), ())]
        assert not torch.equal(found[0], found[1])
        assert not torch.equal(found[0], found[2])

    @pytest.mark.parametrize("backward", ["adaptive", "leaky", "soft"])
    def test_what_no_layer_offers_is_refused_before_any_work(self, backward, net, images):
        asked = []

        def plain(x):
            asked.append(len(x))
            return net(x)

        with pytest.raises(
            ValueError, match=f"backward must be one that a layer of the model offers, got '{backward}'"
        ):
            PGD(eps=0.1, backward=backward)(plain, *images)
        assert asked == [1]

    def test_an_attack_that_fails_asks_no_more(self, images):
        model = defended()
        before = FGSM(eps=0.3)(model, *images)

        def failing(x):
            if len(x) > 1:
                raise RuntimeError("out of memory")
            return model(x)

        with pytest.raises(RuntimeError, match="out of memory"):
            FGSM(eps=0.3, backward="adaptive")(failing, *images)
        assert torch.equal(FGSM(eps=0.3)(model, *images), before)

    def test_two_threads_on_one_net(self, images):
        model, both = defended(), threading.Barrier(2, timeout=20)
        attacks = {backward: FGSM(eps=0.3, norm="l2", backward=backward) for backward in ("adaptive", "soft")}
        expected = {backward: attack(model, *images) for backward, attack in attacks.items()}
        found = {}

        def slow(x):
            both.wait()
            return model(x)

        def attack(backward):
            found[backward] = attacks[backward](slow, *images)

        threads = [threading.Thread(target=attack, args=(backward,)) for backward in attacks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for backward, x_adv in expected.items():
            assert torch.equal(found[backward], x_adv)
        assert not torch.equal(*found.values())
