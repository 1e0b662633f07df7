"""The fully connected net against matrix products written out by hand."""

import pytest
import torch
from torch import nn

from hardlight.nets import MLP, BoundedReLU


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("activation", [nn.ReLU, BoundedReLU])
def test_it_is_a_chain_of_matrix_products(shape, activation):
    net, x = MLP(shape, 5, activation, hidden=[7, 6]), 3 * torch.rand(4, *shape)
    w1, b1, w2, b2, w3, b3 = net.parameters()
    for bias in (b1, b2, b3):
        assert bias.count_nonzero() == 0
        nn.init.uniform_(bias, -0.1, 0.1)
    high = 1.0 if activation is BoundedReLU else torch.inf
    h = (x.reshape(4, -1) @ w1.T + b1).clamp(0, high)
    h = (h @ w2.T + b2).clamp(0, high)
    torch.testing.assert_close(net(x), h @ w3.T + b3)


def test_its_size_is_the_closed_form():
    assert sum(p.numel() for p in MLP((1, 28, 28), 10).parameters()) == 784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10


def test_without_hidden_layers_it_is_linear():
    net = MLP((2, 3, 3), 4, hidden=[])
    weight, bias = net.parameters()
    x = torch.rand(3, 2, 3, 3)
    torch.testing.assert_close(net(x), x.reshape(3, -1) @ weight.T + bias)


def test_its_weights_are_drawn_as_those_of_the_other_nets():
    for layer in MLP((1, 20, 20), 10, hidden=[300, 200]).modules():
        if isinstance(layer, nn.Linear):
            bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
            assert 0.95 * bound < layer.weight.abs().max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden": 64}, r"hidden must be a list of whole numbers, such as \[64, 64\], got 64"),
        ({"hidden": "64"}, "hidden must be a list"),
        ({"hidden": [64, 0]}, "hidden must be a whole number of at least 1, got 0"),
        ({"hidden": [6.5]}, "hidden must be a whole number of at least 1, got 6.5"),
        ({"shape": (28, 28)}, r"shape must be \(channels, height, width\)"),
        ({"num_classes": 1}, "num_classes must be a whole number of at least 2"),
    ],
)
def test_what_cannot_be_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        MLP(**{"shape": (1, 2, 2), "num_classes": 2, **options})
