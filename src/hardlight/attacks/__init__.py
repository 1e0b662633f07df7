"""Attacks: frozen, callable dataclasses that work on any callable from pixels to logits."""

from hardlight.attacks.apgd import APGD
from hardlight.attacks.attack import Attack, FixedBudget, MinimalNorm, Outcome
from hardlight.attacks.attackable import attackable
from hardlight.attacks.auto import AutoAttack
from hardlight.attacks.bim import BIM
from hardlight.attacks.cw import CW
from hardlight.attacks.cw_l0 import CWL0
from hardlight.attacks.cw_linf import CWLinf
from hardlight.attacks.ddn import DDN
from hardlight.attacks.deepfool import DeepFool
from hardlight.attacks.fab import FAB
from hardlight.attacks.fgsm import FGSM
from hardlight.attacks.fmn import FMN
from hardlight.attacks.goal import Goal
from hardlight.attacks.hop_skip_jump import HopSkipJump
from hardlight.attacks.jsma import JSMA
from hardlight.attacks.lbfgs import LBFGS
from hardlight.attacks.mi_fgsm import MIFGSM
from hardlight.attacks.min_l2 import MinL2
from hardlight.attacks.minimal_fgsm import MinimalFGSM
from hardlight.attacks.noise import Noise
from hardlight.attacks.pgd import PGD
from hardlight.attacks.queries import Queries
from hardlight.attacks.random_fgsm import RandomFGSM
from hardlight.attacks.square import Square
from hardlight.attacks.universal import Universal
from hardlight.attacks.virtual import VirtualAdversarial
from hardlight.attacks.worst_of import WorstOf

__all__ = [
    "APGD",
    "BIM",
    "CW",
    "CWL0",
    "DDN",
    "FAB",
    "FGSM",
    "FMN",
    "JSMA",
    "LBFGS",
    "MIFGSM",
    "PGD",
    "Attack",
    "AutoAttack",
    "CWLinf",
    "DeepFool",
    "FixedBudget",
    "Goal",
    "HopSkipJump",
    "MinL2",
    "MinimalFGSM",
    "MinimalNorm",
    "Noise",
    "Outcome",
    "Queries",
    "RandomFGSM",
    "Square",
    "Universal",
    "VirtualAdversarial",
    "WorstOf",
    "attackable",
]
