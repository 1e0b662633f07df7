"""Robustness metrics: pure functions, and ``torchmetrics`` classes of counts or of values a sample."""

from hardlight.metrics.robust_accuracy import (
    AdversarialAccuracy,
    RobustAccuracy,
    adversarial_accuracy,
    robust_accuracy,
)
from hardlight.metrics.sample_metric import Attacked, Estimate, SampleMetric

__all__ = [
    "AdversarialAccuracy",
    "Attacked",
    "Estimate",
    "RobustAccuracy",
    "SampleMetric",
    "adversarial_accuracy",
    "robust_accuracy",
]
