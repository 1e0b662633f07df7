"""Random numbers that belong to a sample: a function of (seed, stream, index, draw) and nothing else.

A counter-based generator (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014) run on whole tensors. A sample
draws the same numbers in any batch, on any number of devices, and the global generators are left alone.
"""

import hashlib
import zlib
from functools import lru_cache

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)
_BITS = 24  # the bits of a float32's mantissa, so that float32 and float64 draw the same numbers


def _shift(z: Tensor, by: int) -> Tensor:
    return (z >> by).bitwise_and_((1 << (64 - by)) - 1)


def _mix(z: Tensor) -> Tensor:
    """Of a tensor that may be overwritten: image after image, memory is what this costs."""
    z = z.bitwise_xor_(_shift(z, 30)).mul_(_FIRST)
    z = z.bitwise_xor_(_shift(z, 27)).mul_(_SECOND)
    return z.bitwise_xor_(_shift(z, 31))


@lru_cache
def _salt(seed: int, stream: str, draw: int) -> int:
    """Batch after batch the same, and many small steps."""
    key = torch.tensor([seed, zlib.crc32(stream.encode()), draw], device="cpu")  # so that no device waits for it
    return int(_mix(_mix(_mix(key[0] + _GOLDEN) + key[1] * _GOLDEN) + key[2] * _GOLDEN))


def reseeded(seed: int, run: int, stream: str) -> int:
    """The seed of one of several runs, ``seed`` itself for run 0; the others' belong to ``stream``."""
    if run == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{stream} {seed} {run}".encode()).digest()[:8]) >> 1


def uniform(index: Tensor, like: Tensor, *, seed: int, stream: str, draw: int = 0) -> Tensor:
    """Uniform on [0, 1), of the shape, dtype and device of ``like`` (N, ...); ``index`` (N,) names the samples."""
    device = like.device
    rows = _mix(index.to(device=device, dtype=torch.int64) * _GOLDEN + _salt(seed, stream, draw))
    columns = torch.arange(1, like.shape[1:].numel() + 1, device=device) * _GOLDEN
    z = _mix(rows[:, None] + columns)
    return _shift(z, 64 - _BITS).to(like.dtype).div_(1 << _BITS).reshape(like.shape)


def signs(index: Tensor, like: Tensor, *, seed: int, stream: str, draw: int = 0) -> Tensor:
    """-1 or 1, equally likely."""
    return torch.where(uniform(index, like, seed=seed, stream=stream, draw=draw) < 0.5, -1.0, 1.0).to(like.dtype)


def normal(index: Tensor, like: Tensor, *, seed: int, stream: str, draw: int = 0) -> Tensor:
    """Standard normal, by the inverse of its distribution function."""
    u = uniform(index, like, seed=seed, stream=stream, draw=draw).double() + 0.5 / (1 << _BITS)
    gaussian: Tensor = torch.special.ndtri(u)
    return gaussian.to(like.dtype)
