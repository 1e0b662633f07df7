"""What the training set becomes before the training."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import kl_div

from hardlight.attacks import FGSM, PGD, MinimalFGSM
from hardlight.attacks.randomness import normal
from hardlight.defenses import (
    DefenseStack,
    StaticAdversarialTraining,
    StaticGaussianAugmentation,
    StaticVirtualAdversarialTraining,
    crafted_copies,
    noisy_copies,
)

N = 30


@pytest.fixture
def images():
    return torch.rand(N, 3, 2, 2, generator=torch.Generator().manual_seed(0)), torch.arange(N) % 4


@pytest.fixture
def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 24), nn.ReLU(), nn.Dropout(), nn.Linear(24, 4))


class TestGaussianAugmentation:
    @pytest.mark.parametrize("at_once", [16384, 7])
    def test_originals_are_kept_beside_noisy_copies_with_their_labels(self, images, at_once, monkeypatch):
        monkeypatch.setattr(noisy_copies, "AT_ONCE", at_once)
        x = torch.rand(N, 1, 20, 20)
        more, labels = StaticGaussianAugmentation(sigma=0.3).extend(x, images[1])
        assert more.shape == (11 * N, 1, 20, 20)
        assert torch.equal(more[:N], x)
        assert labels.tolist() == images[1].tolist() * 11
        noise = (more[N:] - x.repeat(10, 1, 1, 1)).flatten(1)
        assert noise.std().item() == pytest.approx(0.3, rel=0.02)
        assert noise.mean().item() == pytest.approx(0, abs=4 * 0.3 / math.sqrt(noise.numel()))
        assert (torch.corrcoef(noise) - torch.eye(len(noise))).abs().max() < 0.3  # no copy has another's noise
        assert more.min() < 0
        assert more.max() > 1

    def test_clip_and_no_clean_images(self, images):
        x, y = images
        more, labels = StaticGaussianAugmentation(sigma=0.3, copies=2, keep_clean=False, clip=True).extend(x, y)
        assert len(more) == len(labels) == 2 * N
        assert (more.min(), more.max()) == (0, 1)

    def test_the_noise_is_the_seeds_and_the_global_generator_is_left_alone(self, images):
        sets = []
        for seed, elsewhere in ((1, 0), (1, 5), (2, 5)):
            torch.manual_seed(elsewhere)
            before = torch.get_rng_state()
            sets.append(StaticGaussianAugmentation(sigma=0.3, seed=seed).extend(*images)[0])
            assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(sets[0], sets[1])
        assert not torch.equal(sets[1], sets[2])

    def test_batches_are_left_alone(self, images):
        assert StaticGaussianAugmentation(sigma=0.3).augment(*images) == images


class TestAdversarialTraining:
    @pytest.mark.parametrize("attack", [FGSM(eps=0.1), PGD(eps=0.3, norm="l2", steps=3, restarts=2)])
    def test_the_copies_are_the_attacks_on_the_source(self, attack, images, net):
        x, y = images
        more, labels = StaticAdversarialTraining(attack=attack, source=net).extend(x, y)
        assert torch.equal(more[:N], x)
        torch.testing.assert_close(more[N:], attack(net, x, y))
        assert torch.equal(labels, torch.cat([y, y]))
        assert (more[N:] != x).flatten(1).any(1).all()
        assert all(module.training for module in net.modules())

    @pytest.mark.parametrize("at_once", [1, 7, 30])
    def test_the_size_of_the_batches_does_not_matter(self, at_once, images, net, monkeypatch):
        x, y = images
        attack = PGD(eps=0.1, steps=2)
        whole = attack(net, x, y, index=torch.arange(N))
        asked = []
        net.register_forward_hook(lambda module, args, logits: asked.append(len(args[0])))
        monkeypatch.setattr(crafted_copies, "BATCH", at_once)
        more, _ = StaticAdversarialTraining(attack=attack, source=net).extend(x, y)
        torch.testing.assert_close(more[N:], whole)
        assert max(asked) == at_once
        assert sum(asked) == 3 * N  # two steps, and a look at where they led

    def test_the_whole_budget_is_spent(self, images, net):
        x, y = images
        early = PGD(eps=0.1, steps=3, early_stop=True)
        more, _ = StaticAdversarialTraining(attack=early, source=net).extend(x, y)
        torch.testing.assert_close(more[N:], PGD(eps=0.1, steps=3)(net, x, y))
        assert not torch.allclose(more[N:], early(net, x, y))

    def test_of_noisy_images_the_copies_are_those_of_the_clipped(self, images, net):
        x, y = images
        stack = DefenseStack(
            (
                StaticGaussianAugmentation(sigma=0.3, copies=1),
                StaticAdversarialTraining(attack=FGSM(eps=0.1), source=net),
            )
        )
        more, labels = stack.extend(x, y)
        assert torch.equal(labels, y.repeat(4))
        assert torch.equal(more[:N], x)
        assert more[N : 2 * N].min() < 0
        torch.testing.assert_close(more[2 * N :], FGSM(eps=0.1)(net, more[: 2 * N].clamp(0, 1), labels[: 2 * N]))


class TestVirtualAdversarialTraining:
    @pytest.mark.parametrize("iterations", [1, 5])
    def test_by_hand_for_a_linear_net(self, iterations, images):
        """Power iterations with the gradient in closed form, Wᵀ(q - p)."""
        x, y = images[0].double(), images[1]
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).double()
        weight, p = net[1].weight.detach(), net(x).detach().softmax(1)
        d = normal(torch.arange(N), x, seed=3, stream="vat_static").flatten(1)
        d = d / d.norm(dim=1, keepdim=True)
        for _ in range(iterations):
            d = (net(x + 0.1 * d.reshape(x.shape)).detach().softmax(1) - p) @ weight
            d = d / d.norm(dim=1, keepdim=True)
        expected = x + 0.5 * d.reshape(x.shape)
        assert (expected < 0).any()
        defense = StaticVirtualAdversarialTraining(source=net, eps=0.5, xi=0.1, iterations=iterations, seed=3)
        more, labels = defense.extend(x, y)
        torch.testing.assert_close(more, torch.cat([x, expected.clamp(0, 1)]), rtol=0, atol=1e-9)
        assert torch.equal(labels, torch.cat([y, y]))

    def test_the_prediction_changes_more_than_by_noise_and_the_labels_do_not_matter(self, images, net):
        x, y = images
        defense = StaticVirtualAdversarialTraining(source=net, eps=0.3)
        copies = defense.extend(x, y)[0][N:]
        assert torch.equal(defense.extend(x, 3 - y)[0][N:], copies)
        assert all(module.training for module in net.modules())
        net.eval()
        noise = torch.randn_like(x)
        noise = (x + 0.3 * noise / noise.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)).clamp(0, 1)
        clean = net(x).log_softmax(1)
        moved, by_noise = (
            kl_div(net(each).log_softmax(1), clean, reduction="batchmean", log_target=True) for each in (copies, noise)
        )
        assert moved > 3 * by_noise
        assert (copies - x).flatten(1).norm(dim=1).max() < 0.3 + 1e-6

    def test_the_size_of_the_batches_does_not_matter(self, images, net, monkeypatch):
        defense = StaticVirtualAdversarialTraining(source=net, eps=0.3)
        whole = defense.extend(*images)[0]
        monkeypatch.setattr(crafted_copies, "BATCH", 7)
        torch.testing.assert_close(defense.extend(*images)[0], whole)


AT, VAT, GDA = StaticAdversarialTraining, StaticVirtualAdversarialTraining, StaticGaussianAugmentation


@pytest.mark.parametrize(
    ("defense", "settings", "words"),
    [
        *((AT, {"attack": FGSM(eps=0.1), "source": v}, "source must be a net, or the path") for v in (None, "", 3)),
        *(
            (AT, {"source": "a", "attack": v}, "attack must be an attack with")
            for v in (None, "fgsm", {"eps": 0.1}, MinimalFGSM())
        ),
        *((VAT, {"source": "a", field: v}, f"{field} must be") for field in ("eps", "xi") for v in (0, -1, None, "1")),
        *((VAT, {"source": "a", "iterations": v}, "iterations must be") for v in (0, 1.5, None)),
        *((VAT, {"source": "a", "seed": v}, "seed must be") for v in (-1, 0.5, None)),
        *((GDA, {"sigma": 0.1, "seed": v}, "seed must be") for v in (-1, 2**63, True)),
        *((GDA, {"sigma": v}, "sigma must be") for v in (0, None)),
    ],
)
def test_a_bad_setting_is_named(defense, settings, words):
    with pytest.raises(ValueError, match=words):
        defense(**settings)


def test_a_path_is_no_net_to_craft_on(images):
    with pytest.raises(ValueError, match=r"give hardlight\.load\('a\.ckpt'\)"):
        StaticVirtualAdversarialTraining(source="a.ckpt").extend(*images)
