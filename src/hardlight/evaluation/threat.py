"""The threat model, held by code that no attack shares."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hardlight import checks
from hardlight.tensors import NORMS, norms

_ULPS = 4  # a pixel's rounding in a step, a projection and a clip


class ThreatError(ValueError):
    """An adversarial image that the threat model does not allow."""


@dataclass(frozen=True)
class Threat:
    """Every sample within ``eps`` of its clean image in ``norm``, and every pixel within ``bounds``.

    ``eps`` is met within a few ULP a pixel, the bounds exactly. With ``norm`` None, for attacks that look for the
    smallest perturbation, any distance is allowed and ``eps`` is None.
    """

    norm: str | None
    eps: float | None
    bounds: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not isinstance(self.bounds, tuple | list) or len(self.bounds) != 2:
            raise ValueError(f"bounds must be the lowest and the highest pixel, got {self.bounds!r}")
        low, high = self.bounds
        object.__setattr__(self, "bounds", (low, high))  # a list from YAML becomes a tuple
        checks.number("bounds", low)
        checks.number("bounds", high, low=low, strict_low=True)
        if self.norm is None:
            if self.eps is not None:
                raise ValueError(f"eps must be None where norm is None, got {self.eps!r}")
        else:
            checks.one_of("norm", self.norm, NORMS)
            checks.non_negative("eps", self.eps)

    def verify(self, x: Tensor, x_adv: Tensor) -> None:
        """Raises ``ThreatError``, naming the first sample that breaks a rule, unless ``x_adv`` (N, ...) keeps to all.

        ``x`` holds the clean images, of the same shape and dtype.
        """
        if x_adv.shape != x.shape or x_adv.dtype != x.dtype:
            got, right = (f"{tuple(t.shape)} {t.dtype}" for t in (x_adv, x))
            raise ThreatError(f"adversarial images must be like the clean ones, {right}, got {got}")
        if not x.numel():
            return
        x, x_adv = x.detach(), x_adv.detach()
        if (sample := _first(~x_adv.isfinite())) is not None:
            raise ThreatError(f"sample {sample} holds pixels that are NaN or infinite")
        low, high = self.bounds
        if (sample := _first((x_adv < low) | (x_adv > high))) is not None:
            least, most = x_adv[sample].aminmax()
            raise ThreatError(f"sample {sample} has pixels from {least:.9g} to {most:.9g}, outside [{low:g}, {high:g}]")
        if (sample := _first(~self.within(x, x_adv))) is not None:
            distance = float(norms(x_adv[sample, None].double() - x[sample, None].double(), str(self.norm)))
            raise ThreatError(
                f"sample {sample} is at {self.norm} distance {distance:.9g}, more than eps {self.eps:.9g}"
            )

    def within(self, x: Tensor, x_adv: Tensor) -> Tensor:
        """Which samples of ``x_adv`` lie within ``eps`` of ``x``, both (N, ...): bool (N,)."""
        if self.norm is None or self.eps is None:
            return torch.ones(len(x), dtype=torch.bool, device=x.device)
        return norms(x_adv.double() - x.double(), self.norm) <= self.eps + self._slack(x)

    def _slack(self, x: Tensor) -> float:
        """What ``_ULPS`` of the largest pixel, in every pixel, add up to; nothing in l0, which only counts."""
        pixels = x[0].numel()
        scale = {"linf": 1.0, "l2": math.sqrt(pixels), "l1": float(pixels), "l0": 0.0}[str(self.norm)]
        return _ULPS * torch.finfo(x.dtype).eps * max(map(abs, self.bounds)) * scale


def _first(broken: Tensor) -> int | None:
    """The first sample with anything broken in it, or None."""
    samples = broken.reshape(len(broken), -1).any(1).nonzero()
    return int(samples[0]) if len(samples) else None
