"""Lightning callbacks: what happens around training and testing."""

from hardlight.callbacks.attack_evaluation import AttackEvaluation, Example
from hardlight.callbacks.epoch_time import EpochTime
from hardlight.callbacks.progress import Progress

__all__ = ["AttackEvaluation", "EpochTime", "Example", "Progress"]
