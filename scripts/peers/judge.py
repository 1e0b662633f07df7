"""What a library's images are worth, judged alike for all of them, image by image."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hardlight.evaluation.threat import Threat
from hardlight.statistics import mcnemar
from hardlight.tensors import norms

ROUNDING = 1e-6  # of a pixel beyond the box, which is clipped away
UNCHANGED = 1e-5  # of a pixel, in l0: a change of variables and back; it is undone before the image is judged


@dataclass(frozen=True)
class Judged:
    """Of each image (n,): does it fool the net within the rules, at what distance; infinite where it does not.

    ``eps`` None: the smallest distance was looked for. ``outside``: in how many images a pixel is out of the box or
    not a number, or the distance above eps. ``relapsed``: how many were changed, in search of the smallest change, to
    images that do not fool the net.
    """

    fooled: np.ndarray
    distance: np.ndarray
    eps: float | None
    outside: int = 0
    relapsed: int = 0

    def first(self, n: int) -> "Judged":
        return Judged(self.fooled[:n], self.distance[:n], self.eps, self.outside, self.relapsed)

    @property
    def survivors(self) -> int:
        return int((~self.fooled).sum())

    @property
    def success(self) -> float:
        return float(self.fooled.mean())

    @property
    def median(self) -> float:
        return float(np.median(self.distance))

    @property
    def mean(self) -> float:
        return float(self.distance.mean())

    @property
    def evidence(self) -> str:
        parts = [
            f"{self.outside} images outside of what is allowed" if self.outside else "",
            f"{self.relapsed} changed images do not fool when looked at again" if self.relapsed else "",
        ]
        return "; ".join(part for part in parts if part)


def judge(
    model: nn.Module, x: Tensor, x_adv: Tensor, y: Tensor, target: Tensor | None, norm: str, eps: float | None
) -> Judged:
    """By one fresh forward pass in float32 on the final images, in batches of their own."""
    x_adv = x_adv.detach().to(x)
    sane = x_adv.isfinite().flatten(1).all(1) & (x_adv >= -ROUNDING).flatten(1).all(1)
    sane &= (x_adv <= 1 + ROUNDING).flatten(1).all(1)
    x_adv = torch.where(sane[:, None, None, None], x_adv, x).clamp(0, 1)
    if norm == "l0":
        x_adv = torch.where((x_adv - x).abs() < UNCHANGED, x, x_adv)
    sane &= Threat(norm if eps is not None else None, eps).within(x, x_adv)
    with torch.no_grad():
        predicted = torch.cat([model(part) for part in x_adv.split(100)]).argmax(1)
    fooled = (predicted != y if target is None else predicted == target) & sane
    changed = (x_adv != x).flatten(1).any(1)
    distance = torch.where(fooled, norms(x_adv.double() - x.double(), norm), torch.inf)
    relapsed = 0 if eps is not None else int((changed & ~fooled & sane).sum())
    return Judged(fooled.cpu().numpy(), distance.cpu().numpy(), eps, int((~sane).sum()), relapsed)


def compare(
    ours: Judged, theirs: Judged, *, tolerance: float = 0.001, statistic: str = "median", chance: bool = False
) -> str:
    """``equal``, ``stronger``, ``weaker`` or ``alike`` of ours, on the images that both attacked.

    Within a budget the one that fewer images survive is stronger. Of minimal norms: the more that it fools and the
    smaller the ``statistic`` of its distances, both; less than ``tolerance`` apart is equal, and what is better in one
    and worse in the other is weaker. With ``chance``, for attacks that draw, they are alike within a budget where
    another draw could as well have it the other way round (McNemar's exact p above 0.05).
    """
    n = min(len(ours.fooled), len(theirs.fooled))
    ours, theirs = ours.first(n), theirs.first(n)
    if ours.eps is not None:
        gained, lost = int((ours.fooled & ~theirs.fooled).sum()), int((theirs.fooled & ~ours.fooled).sum())
        if gained == lost:
            return "equal"
        if chance and mcnemar(gained, lost) > 0.05:
            return "alike"
        return "weaker" if gained < lost else "stronger"
    own, other = getattr(ours, statistic), getattr(theirs, statistic)
    farther = own > other * (1 + tolerance)
    nearer = own < other * (1 - tolerance)
    if ours.survivors > theirs.survivors or farther:
        return "weaker"
    return "stronger" if nearer or ours.survivors < theirs.survivors else "equal"


def disagreements(ours: Judged, theirs: Judged, apart: float = 0.1) -> list[tuple[int, str, str]]:
    """The images on which they differ, what ours did with each and what theirs: within a budget in whether they fool
    the net, of minimal norms also by more than the share ``apart`` of the distance.
    """
    rows = []
    for i, (a, b) in enumerate(zip(ours.distance, theirs.distance, strict=False)):
        differ = np.isinf(a) != np.isinf(b)
        if ours.eps is None and not differ and np.isfinite(a):
            differ = abs(a - b) > apart * min(a, b)
        if differ:
            rows.append((i, *("survived" if np.isinf(each) else f"{each:.4g}" for each in (a, b))))
    return rows
