"""Robustness metrics: pure functions and ``torchmetrics`` classes of sums and counts."""

from hardlight.metrics.robust_accuracy import (
    AdversarialAccuracy,
    RobustAccuracy,
    adversarial_accuracy,
    robust_accuracy,
)

__all__ = ["AdversarialAccuracy", "RobustAccuracy", "adversarial_accuracy", "robust_accuracy"]
