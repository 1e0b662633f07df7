"""The counter-based numbers against what random numbers should look like."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from hardlight.attacks.randomness import normal, signs, uniform

N, PIXELS = 400, 600


def draw(function, n=N, pixels=PIXELS, dtype=torch.float64, first=0, **settings):
    settings = {"seed": 0, "stream": "test", "draw": 0} | settings
    return function(torch.arange(first, first + n), torch.empty(n, pixels, dtype=dtype), **settings)


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**63 - 1])
class TestDistribution:
    def test_uniform(self, seed):
        u = draw(uniform, seed=seed).numpy().ravel()
        assert u.min() >= 0
        assert u.max() < 1
        assert u.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * u.size))
        assert u.var() == pytest.approx(1 / 12, rel=0.01)
        assert stats.kstest(u, "uniform").pvalue > 1e-3

    def test_normal(self, seed):
        z = draw(normal, seed=seed).numpy().ravel()
        assert np.isfinite(z).all()
        assert z.mean() == pytest.approx(0, abs=4 / np.sqrt(z.size))
        assert z.var() == pytest.approx(1, rel=0.02)
        assert stats.kstest(z, "norm").pvalue > 1e-3

    def test_signs(self, seed):
        s = draw(signs, seed=seed).numpy().ravel()
        assert set(np.unique(s)) == {-1, 1}
        assert stats.binomtest(int((s > 0).sum()), s.size).pvalue > 1e-3

    def test_every_bit_is_fair_and_of_its_own(self, seed):
        bits = (draw(uniform, seed=seed).numpy().ravel() * 2**24).astype(np.int64)
        ones = (bits[:, None] >> np.arange(24)) & 1
        assert np.abs(ones.mean(0) - 0.5).max() < 5 / (2 * np.sqrt(bits.size))
        assert np.abs(np.corrcoef(ones.T) - np.eye(24)).max() < 5 / np.sqrt(bits.size)


def test_neighbours_are_uncorrelated():
    u = draw(uniform).numpy() - 0.5
    others = [u[1:], np.roll(u, 1, axis=1)[:-1], *(draw(uniform, **s).numpy()[:-1] - 0.5 for s in
              ({"seed": 1}, {"draw": 1}, {"stream": "other"}))]  # fmt: skip
    for other in others:
        correlation = np.corrcoef(u[:-1].ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(other.size)


def test_seed_stream_draw_and_index_each_make_other_numbers():
    variants = [draw(uniform, **s) for s in ({}, {"seed": 1}, {"stream": "other"}, {"draw": 1}, {"first": N})]
    for one, other in itertools.combinations(variants, 2):
        assert (one == other).double().mean() < 1e-4


def test_no_two_samples_share_their_numbers():
    u = draw(uniform, n=20_000, pixels=4).numpy()
    assert len(np.unique(u, axis=0)) == 20_000


def test_a_sample_draws_the_same_in_any_batch():
    index = torch.tensor([7, 0, 123456789, 2**40])
    like = torch.empty(4, 3, 4, 4)
    together = uniform(index, like, seed=3, stream="s")
    for i in range(4):
        assert torch.equal(uniform(index[i : i + 1], like[:1], seed=3, stream="s")[0], together[i])
    assert torch.equal(uniform(index.flip(0), like, seed=3, stream="s"), together.flip(0))


@pytest.mark.parametrize("function", [uniform, normal, signs])
def test_float32_draws_what_float64_draws(function):
    single, double = draw(function, dtype=torch.float32), draw(function)
    assert single.dtype == torch.float32
    assert torch.equal(single, double.float())
    if function is uniform:
        assert torch.equal(single.double(), double)


def test_the_numbers_are_those_of_splitmix64():
    """Against the published algorithm in whole-number arithmetic: results stay the same from version to version."""
    import zlib

    golden, mask = 0x9E3779B97F4A7C15, 2**64 - 1

    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def number(seed, stream, draw, index, pixel):
        salt = mix((seed + golden) & mask)
        salt = mix((salt + zlib.crc32(stream.encode()) * golden) & mask)
        salt = mix((salt + draw * golden) & mask)
        row = mix((index * golden + salt) & mask)
        return (mix((row + (pixel + 1) * golden) & mask) >> 40) / 2**24

    drawn = uniform(torch.tensor([5, 9]), torch.empty(2, 1, 2, 2), seed=11, stream="pgd", draw=3).flatten(1)
    assert drawn.tolist() == [[pytest.approx(number(11, "pgd", 3, i, j), abs=0) for j in range(4)] for i in (5, 9)]


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    draw(normal)
    assert torch.equal(torch.get_rng_state(), state)
