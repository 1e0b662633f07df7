"""Seeds that are a fixed function of what they are for."""

import zlib

import numpy as np


def mix(purpose: str, *numbers: int) -> int:
    """A 64-bit seed from non-negative ``numbers``; equal numbers for another purpose give an unrelated one."""
    return int(np.random.SeedSequence([zlib.crc32(purpose.encode()), *numbers]).generate_state(1, np.uint64)[0])
