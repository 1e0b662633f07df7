"""The height and width that convolutions and poolings leave of an image."""

from collections.abc import Sequence

from hardlight import checks

Layer = tuple[int, int, int]
"""Kernel, stride and padding."""


def remaining(shape: Sequence[int], layers: Sequence[Layer]) -> tuple[int, int]:
    """Height and width of an image of ``shape`` (C, H, W) after ``layers``; ValueError where nothing is left."""
    checks.shape("shape", shape)
    smallest = 1
    for kernel, stride, padding in reversed(layers):
        smallest = (smallest - 1) * stride + kernel - 2 * padding
    if min(shape[1:]) < smallest:
        raise ValueError(
            f"shape must be at least {smallest} pixels high and wide for this net, got {tuple(shape)}; an MLP takes any"
        )
    height, width = shape[1:]
    for kernel, stride, padding in layers:
        height, width = ((n + 2 * padding - kernel) // stride + 1 for n in (height, width))
    return height, width
