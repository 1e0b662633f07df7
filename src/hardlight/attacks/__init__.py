"""Attacks: frozen, callable dataclasses that work on any callable from pixels to logits."""

from hardlight.attacks.attack import Attack, FixedBudget, MinimalNorm, Outcome
from hardlight.attacks.attackable import attackable
from hardlight.attacks.fgsm import FGSM
from hardlight.attacks.goal import Goal
from hardlight.attacks.noise import Noise
from hardlight.attacks.pgd import PGD
from hardlight.attacks.queries import Queries
from hardlight.attacks.random_fgsm import RandomFGSM

__all__ = [
    "FGSM",
    "PGD",
    "Attack",
    "FixedBudget",
    "Goal",
    "MinimalNorm",
    "Noise",
    "Outcome",
    "Queries",
    "RandomFGSM",
    "attackable",
]
