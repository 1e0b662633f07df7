"""What was attacked, named by its content: equal for equal data and weights, whatever file they came from."""

import hashlib

import torch
from torch import Tensor, nn

from hardlight.data import ImageSet
from hardlight.tensors import pixels

AT_ONCE = 256  # images turned into float32 at a time


def data_sha256(images: ImageSet) -> str:
    """SHA-256 of the pixels as nets get them, float32 in [0, 1] (N, C, H, W), then of the labels, int64 (N,).

    Row by row, without any header: of NumPy arrays it is ``sha256(images.tobytes() + labels.tobytes())``.
    """
    digest = hashlib.sha256()
    rows = torch.arange(len(images), device=images.labels.device)
    for part in images.pixels(torch.split(rows, AT_ONCE)):
        digest.update(_raw(pixels(part).float()))
    digest.update(_raw(images.labels.long()))
    return digest.hexdigest()


def weights_sha256(net: nn.Module) -> str:
    """SHA-256 of every tensor of the state dict in the order of their names: its name, dtype, shape and values."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(_raw(value))
    return digest.hexdigest()


def _raw(values: Tensor) -> bytes:
    """The values' bytes, of any dtype, in row-major order."""
    return values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
