"""Defenses: frozen dataclasses of five hooks, usable in any training loop."""

from hardlight.defenses.adversarial_training import AdversarialTraining
from hardlight.defenses.defense import Defense
from hardlight.defenses.feature_squeezing import FeatureSqueezing
from hardlight.defenses.gaussian_augmentation import GaussianAugmentation
from hardlight.defenses.label_smoothing import LabelSmoothing
from hardlight.defenses.stack import DefendedNet, DefenseStack
from hardlight.defenses.uniform_noise import UniformNoise
from hardlight.defenses.virtual_adversarial_training import VirtualAdversarialTraining

__all__ = [
    "AdversarialTraining",
    "DefendedNet",
    "Defense",
    "DefenseStack",
    "FeatureSqueezing",
    "GaussianAugmentation",
    "LabelSmoothing",
    "UniformNoise",
    "VirtualAdversarialTraining",
]
