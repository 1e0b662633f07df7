import math

import pytest
import torch

from hardlight.defenses import GaussianAugmentation, UniformNoise

SIGMA = 0.3
both = pytest.mark.parametrize("defense", [GaussianAugmentation, UniformNoise])


@pytest.fixture
def batch():
    x = torch.rand(6, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    return x, torch.tensor([3, 1, 4, 1, 5, 9])


@both
@pytest.mark.parametrize(("keep_clean", "copies"), [(True, 10), (True, 1), (False, 10), (False, 3)])
def test_sizes_order_and_labels(defense, keep_clean, copies, batch):
    x, y = batch
    x_out, y_out = defense(sigma=SIGMA, copies=copies, keep_clean=keep_clean).augment(x, y)
    assert x_out.shape == ((copies + keep_clean) * 6, 1, 20, 20)
    assert y_out.tolist() == [3, 1, 4, 1, 5, 9] * (copies + keep_clean)
    if keep_clean:
        assert torch.equal(x_out[:6], x)
    # each row is nearest to the image whose label it bears
    assert torch.cdist(x_out.flatten(1), x.flatten(1)).argmin(1).tolist() == list(range(6)) * (copies + keep_clean)


@both
def test_moments_and_independence(defense, batch):
    torch.manual_seed(0)
    x, y = batch
    noisy, _ = defense(sigma=SIGMA, copies=50, keep_clean=False).augment(x, y)
    noise = noisy - x.repeat(50, 1, 1, 1)
    error = SIGMA / math.sqrt(noise.numel())
    assert noise.mean().item() == pytest.approx(0, abs=4 * error)
    assert noise.std().item() == pytest.approx(SIGMA, rel=0.02)
    rows = noise.flatten(1)
    correlation = torch.corrcoef(rows) - torch.eye(len(rows))
    assert correlation.abs().max() < 6 / math.sqrt(rows.shape[1])


def test_the_shapes_of_the_two_noises(batch):
    torch.manual_seed(0)
    x, y = batch
    noise = {}
    for defense in (GaussianAugmentation, UniformNoise):
        noisy, _ = defense(sigma=SIGMA, copies=50, keep_clean=False).augment(x, y)
        noise[defense] = (noisy - x.repeat(50, 1, 1, 1)) / SIGMA
    assert noise[UniformNoise].abs().max() <= math.sqrt(3) + 1e-5
    assert (noise[UniformNoise] ** 4).mean().item() == pytest.approx(9 / 5, rel=0.02)  # the kurtosis of each
    assert (noise[GaussianAugmentation] ** 4).mean().item() == pytest.approx(3, rel=0.05)


@both
def test_clip_brings_back_into_the_box_and_without_it_nothing_does(defense, batch):
    for clip in (True, False):
        noisy, _ = defense(sigma=SIGMA, clip=clip).augment(*batch)
        assert (noisy.min() >= 0 and noisy.max() <= 1) == clip


@both
def test_fresh_noise_for_every_batch_from_the_global_generator(defense, batch):
    torch.manual_seed(0)
    first, second = (defense(sigma=SIGMA).augment(*batch)[0] for _ in range(2))
    torch.manual_seed(0)
    assert torch.equal(defense(sigma=SIGMA).augment(*batch)[0], first)
    assert not torch.equal(first, second)
