"""How far images lie from the training set, and whether that gives an adversarial image away."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hardlight.attacks import attackable
from hardlight.metrics.sample_metric import Attacked, SampleMetric
from hardlight.statistics import Estimate, bootstrap
from hardlight.tensors import norms, pixels

CHUNK = 1024  # images of either side at a time: their products stay in the processor's cache


def training_set_distance(x: Tensor, train: Tensor) -> Tensor:
    """The exact L2 distance of each image to the nearest training image: (N,) float64.

    ``x`` (N, C, H, W) float and ``train`` (M, C, H, W), float or uint8 of which 255 is 1, hold pixels in [0, 1].
    A product of matrices in float32 proposes, with a bound on its rounding, every training image that may be the
    nearest; their distances are then computed from the pixels in float64. Needs some 50 MiB beside its arguments.
    Raises ``ValueError`` for images of another shape, for no training images, and for pixels that are not finite.
    """
    if x.shape[1:] != train.shape[1:] or not len(train):
        sizes = f"{tuple(x.shape)} and {tuple(train.shape)}"
        raise ValueError(f"x and train must hold images of one shape, and train at least one, got {sizes}")
    if not x.isfinite().all():
        raise ValueError("x must hold finite pixels")
    # Bound by float32's own rounding, so that TF32 must be off.
    with attackable(nn.Identity(), x.device), torch.no_grad():
        return torch.cat([_nearest(part.flatten(1).double(), train) for part in torch.split(x, CHUNK)])


def _nearest(x: Tensor, train: Tensor) -> Tensor:
    found = x.new_full((len(x),), torch.inf)
    lowest = torch.full_like(found, torch.inf, dtype=torch.float32)
    longest = torch.zeros((), device=x.device)
    length = norms(x, "l2").float()
    factors = (-2 * x.float()).T.contiguous()
    for chunk in torch.split(train, CHUNK):
        t = pixels(chunk.to(x.device)).flatten(1).float()
        lengths = norms(t, "l2")
        longest = torch.maximum(longest, lengths.amax())
        if not longest.isfinite():
            raise ValueError("train must hold finite pixels")
        squared = torch.addmm(lengths.square()[:, None], t, factors)  # the distance's square, less ‖x‖²
        nearest = squared.amin(0)
        lowest = torch.minimum(lowest, nearest)
        # A sum of D rounded products errs by at most D half ULPs of their sizes; twice that, for two of them compared.
        limit = lowest + 2 * (x.shape[1] + 8) * torch.finfo(torch.float32).eps * (length + longest).square()
        samples = (nearest <= limit).nonzero().squeeze(1)
        rows, at = (squared[:, samples] <= limit[samples]).nonzero(as_tuple=True)
        for row, sample in zip(torch.split(rows, CHUNK), torch.split(samples[at], CHUNK), strict=True):
            found.scatter_reduce_(0, sample, norms(x[sample] - t[row].double(), "l2"), "amin")
    return found


def detection_rates(adversarial: Tensor, clean: Tensor) -> Tensor:
    """For each adversarial value (N,), the share of clean values (M,) below it, ties counted half: (N,) float64.

    Their mean is the AUROC of a detector that calls large values adversarial (Mann and Whitney 1947).
    """
    ordered = clean.sort().values
    below, upto = (torch.searchsorted(ordered, adversarial, right=right) for right in (False, True))
    return (below + upto).double() / (2 * len(clean))


class TrainingSetDistance(SampleMetric):
    """How far from the training images an attack has to lead: neither large nor small is good in itself.

    ``training_set_distance`` is the mean over the images that the attack fooled, and for the clean images over all.
    ``training_set_auroc`` tells how well the distance alone tells the two apart: 0.5 is not at all, 1 always; its
    interval is over the adversarial images, the clean ones held fixed.
    """

    on = frozenset({"clean", "attacked", "minimal"})
    columns = ("training_set_distance",)
    needs_train = True

    def __init__(self) -> None:
        super().__init__()
        self.training_images: Tensor | None = None

    def prepare(self, train: Tensor) -> None:
        self.training_images = train

    def per_sample(self, batch: Attacked) -> dict[str, Tensor]:
        """Of the clean images, or of those that fooled the model."""
        if self.training_images is None:
            raise ValueError("training_set_distance needs the training images: call prepare(images) first")
        measured = torch.ones_like(batch.fooled) if batch.attack == "none" else batch.fooled
        distance = batch.x.new_full((len(batch.x),), torch.nan, dtype=torch.float64)
        if measured.any():
            distance[measured] = training_set_distance(batch.x_adv[measured], self.training_images)
        return {"training_set_distance": distance}

    def summary(self, values: Mapping[str, Tensor], clean: Mapping[str, Tensor] | None = None) -> dict[str, Estimate]:
        distance = _known(values)
        found = {"training_set_distance": bootstrap(distance.numpy())}
        if clean:
            found["training_set_auroc"] = bootstrap(detection_rates(distance, _known(clean)).numpy())
        return found


def _known(values: Mapping[str, Tensor]) -> Tensor:
    distance = values["training_set_distance"].cpu()
    return distance[~distance.isnan()]
