"""What the gallery draws."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Example:
    """A test image and what one attack made of it, for the gallery: (C, H, W) pixels, logits (K,)."""

    attack: str
    eps: float
    norm: str
    index: int
    label: int
    clean: Tensor
    adversarial: Tensor
    clean_logits: Tensor
    adversarial_logits: Tensor
