"""Lightning callbacks: what happens around training and testing."""

from hardlight.callbacks.attack_evaluation import AttackEvaluation
from hardlight.callbacks.epoch_time import EpochTime
from hardlight.callbacks.eps_warmup import EpsWarmup, at_share
from hardlight.callbacks.example import Example
from hardlight.callbacks.finite_loss import FiniteLoss
from hardlight.callbacks.interruptible import Interruptible
from hardlight.callbacks.last_checkpoint import LastCheckpoint
from hardlight.callbacks.progress import Progress
from hardlight.callbacks.tracking import tracked
from hardlight.callbacks.wandb_run import WandbRun
from hardlight.callbacks.whole_file import WholeFile

__all__ = [
    "AttackEvaluation",
    "EpochTime",
    "EpsWarmup",
    "Example",
    "FiniteLoss",
    "Interruptible",
    "LastCheckpoint",
    "Progress",
    "WandbRun",
    "WholeFile",
    "at_share",
    "tracked",
]
