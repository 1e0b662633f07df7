"""The two accuracies under attack: one that asks for the clean image too, and the plain one of the paper."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def robust_accuracy(prediction: Tensor, prediction_adv: Tensor, y: Tensor) -> Tensor:
    """The share of samples right on the clean *and* the attacked image (Croce et al., RobustBench, NeurIPS 2021).

    All are classes (N,) int; NaN for no samples. An attack that happens to mend a wrong prediction gains nothing.
    """
    _check(prediction, prediction_adv, y)
    return _right_on_both(prediction, prediction_adv, y).float().mean()


def adversarial_accuracy(prediction_adv: Tensor, y: Tensor) -> Tensor:
    """The share of samples right on the attacked image, whatever the clean one gave (Zantedeschi et al. 2017).

    Both are classes (N,) int; NaN for no samples. Never less than the robust accuracy.
    """
    _check(prediction_adv, y)
    return (prediction_adv == y).float().mean()


class _Share(Metric):
    """A count of right samples over a count of samples, both summed over batches and processes."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    right: Tensor
    n: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("n", torch.tensor(0), dist_reduce_fx="sum")

    def compute(self) -> Tensor:
        return self.right / self.n


class RobustAccuracy(_Share):
    """As ``robust_accuracy``, over all batches; states ``right`` and ``n`` are counts."""

    def update(self, prediction: Tensor, prediction_adv: Tensor, y: Tensor) -> None:
        _check(prediction, prediction_adv, y)
        self.right += _right_on_both(prediction, prediction_adv, y).sum()
        self.n += len(y)


class AdversarialAccuracy(_Share):
    """As ``adversarial_accuracy``, over all batches; states ``right`` and ``n`` are counts."""

    def update(self, prediction_adv: Tensor, y: Tensor) -> None:
        _check(prediction_adv, y)
        self.right += (prediction_adv == y).sum()
        self.n += len(y)


def _right_on_both(prediction: Tensor, prediction_adv: Tensor, y: Tensor) -> Tensor:
    return (prediction == y) & (prediction_adv == y)


def _check(*classes: Tensor) -> None:
    for values in classes:
        if values.dim() != 1 or values.is_floating_point() or len(values) != len(classes[-1]):
            got = ", ".join(f"{tuple(each.shape)} {each.dtype}" for each in classes)
            raise ValueError(f"predictions and labels must be classes (N,), logits.argmax(1) and not logits, got {got}")
