"""Defenses: frozen dataclasses of five hooks, usable in any training loop."""

from hardlight.defenses.adversarial_training import AdversarialTraining
from hardlight.defenses.crafted_copies import CraftedCopies
from hardlight.defenses.defense import Defense
from hardlight.defenses.feature_squeezing import FeatureSqueezing
from hardlight.defenses.gaussian_augmentation import GaussianAugmentation
from hardlight.defenses.label_smoothing import LabelSmoothing
from hardlight.defenses.stack import DefendedNet, DefenseStack
from hardlight.defenses.static_adversarial_training import StaticAdversarialTraining
from hardlight.defenses.static_gaussian_augmentation import StaticGaussianAugmentation
from hardlight.defenses.static_virtual_adversarial_training import StaticVirtualAdversarialTraining
from hardlight.defenses.uniform_noise import UniformNoise
from hardlight.defenses.virtual_adversarial_training import VirtualAdversarialTraining

__all__ = [
    "AdversarialTraining",
    "CraftedCopies",
    "DefendedNet",
    "Defense",
    "DefenseStack",
    "FeatureSqueezing",
    "GaussianAugmentation",
    "LabelSmoothing",
    "StaticAdversarialTraining",
    "StaticGaussianAugmentation",
    "StaticVirtualAdversarialTraining",
    "UniformNoise",
    "VirtualAdversarialTraining",
]
