"""How far an attack had to go: the paper's equation (2) and its median."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hardlight.metrics.sample_metric import Attacked, SampleMetric
from hardlight.statistics import Estimate, bootstrap, median, wilson
from hardlight.tensors import norms


def relative_perturbation(x: Tensor, x_adv: Tensor) -> Tensor:
    """‖x_adv − x‖₂/‖x‖₂ of each image (Zantedeschi et al. 2017, equation 2): (N,) float64.

    Both are (N, C, H, W). NaN for an image that is all zero, of which nothing is a fraction.
    """
    x = x.double()
    length = norms(x, "l2")
    return torch.where(length > 0, norms(x_adv.double() - x, "l2") / length, torch.nan)


class EmpiricalRobustness(SampleMetric):
    """How far, relative to the image, an attack had to go: an upper bound of what the best attack needs.

    ``rho`` is the mean over the samples that are broken, NaN where none is; ``rho_median`` the median over all, where
    an unbroken sample is infinitely far; ``broken`` the share that the other two rest on. An image that is wrong
    without an attack is broken at 0. Images that are all zero are left out.
    """

    on = frozenset({"minimal"})
    columns = ("relative_l2",)
    higher_is_better = True

    def per_sample(self, batch: Attacked) -> dict[str, Tensor]:
        """``relative_l2``: of a broken sample, 0 if it was wrong before; infinite for an unbroken one."""
        found = relative_perturbation(batch.x, batch.x_adv)
        # In this order, NaN stays what it is: 0 · NaN is NaN.
        return {"relative_l2": torch.where(batch.fooled | found.isnan(), found, torch.where(batch.wrong, 0, torch.inf))}

    def summary(self, values: Mapping[str, Tensor], clean: Mapping[str, Tensor] | None = None) -> dict[str, Estimate]:
        rho = values["relative_l2"]
        rho = rho[~rho.isnan()].cpu()
        broken = rho[rho.isfinite()]
        low, high = map(float, wilson(len(broken), len(rho)))
        share = len(broken) / len(rho) if len(rho) else torch.nan
        return {
            "rho": bootstrap(broken.numpy()),
            "rho_median": median(rho.numpy()),
            "broken": Estimate(share, len(rho), low, high),
        }
