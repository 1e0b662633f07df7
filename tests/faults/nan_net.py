"""A net of a user's own whose weights are no numbers."""

import math

from torch import nn


def make(num_classes: int) -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, num_classes))
    nn.init.constant_(net[1].weight, math.nan)
    return net
