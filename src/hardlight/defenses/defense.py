"""What every defense is: a frozen dataclass with five hooks, each the identity until overridden."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Defense:
    """A defense overrides the hook of the moment at which it acts."""

    def extend(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The training set (N, C, H, W), (N,), once per fit, after the validation part has been taken."""
        return x, y

    def augment(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Each training batch, on the device; may return more samples than it got."""
        return x, y

    def soften(self, target: Tensor) -> Tensor:
        """Each training batch's targets (N, K), one-hot at first."""
        return target

    def harden(self, loss: Tensor, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Each training step's scalar loss; ``model`` maps pixels to logits. The labels are ``target.argmax(1)``."""
        return loss

    def squeeze(self, x: Tensor) -> Tensor:
        """The first step of the model: in training, at test time and under attack."""
        return x
