"""The initial weights Keras gives by default (Glorot, Bengio, AISTATS 2010)."""

from torch import nn


def glorot_(net: nn.Module) -> None:
    """Every convolution and dense layer in place: weights U(-a, a), a = √(6/(fan_in + fan_out)); biases 0."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
