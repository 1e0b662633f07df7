"""Robustness metrics: pure functions, and ``torchmetrics`` classes of counts or of values a sample."""

from hardlight.metrics.empirical_robustness import EmpiricalRobustness, relative_perturbation
from hardlight.metrics.loss_sensitivity import LossSensitivity, loss_sensitivity, margin_distance
from hardlight.metrics.robust_accuracy import (
    AdversarialAccuracy,
    RobustAccuracy,
    adversarial_accuracy,
    robust_accuracy,
)
from hardlight.metrics.sample_metric import Attacked, SampleMetric
from hardlight.metrics.training_set_distance import TrainingSetDistance, detection_rates, training_set_distance

__all__ = [
    "AdversarialAccuracy",
    "Attacked",
    "EmpiricalRobustness",
    "LossSensitivity",
    "RobustAccuracy",
    "SampleMetric",
    "TrainingSetDistance",
    "adversarial_accuracy",
    "detection_rates",
    "loss_sensitivity",
    "margin_distance",
    "relative_perturbation",
    "robust_accuracy",
    "training_set_distance",
]
