"""The paper's nets against parameter counts of the published code and forwards written out by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hardlight.nets import CNN, BoundedReLU, CifarCNN, ResNet

MNIST, CIFAR10 = (1, 28, 28), (3, 32, 32)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def biased(net):
    """The net with biases other than 0, so that a forgotten bias shows."""
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith("bias"):
                p.uniform_(-0.1, 0.1)
    return net.eval()


@pytest.mark.parametrize(
    ("net", "shape", "options", "count"),
    [
        (CNN, MNIST, {}, 710_218),
        (CNN, CIFAR10, {}, 722_250),
        (ResNet, MNIST, {}, 353_994),
        (ResNet, CIFAR10, {}, 366_026),
        (ResNet, MNIST, {"middle_kernel": 1}, 321_226),
        (ResNet, CIFAR10, {"middle_kernel": 1}, 333_258),
        (CifarCNN, CIFAR10, {}, 1_592_902),
        (CifarCNN, CIFAR10, {"padding": "same"}, 2_072_902),
    ],
)
def test_parameter_counts_are_the_papers(net, shape, options, count):
    net = net(shape, 10, **options)
    assert parameters(net) == count
    assert net(torch.rand(2, *shape)).shape == (2, 10)


def act(activation):
    return {nn.ReLU: lambda z: z * (z > 0), BoundedReLU: lambda z: torch.minimum(z * (z > 0), torch.ones(()))}[
        activation
    ]


@pytest.mark.parametrize("activation", [nn.ReLU, BoundedReLU])
@pytest.mark.parametrize("shape", [MNIST, CIFAR10])
def test_cnn_forward(shape, activation):
    net = biased(CNN(shape, 10, activation))
    w1, b1, w2, b2, w3, b3, w, b = net.parameters()
    a, x = act(activation), 3 * torch.rand(4, *shape)
    h = a(F.conv2d(x, w1, b1, stride=2, padding=3))
    h = a(F.conv2d(h, w2, b2, stride=2))
    h = a(F.conv2d(h, w3, b3))
    torch.testing.assert_close(net(x), h.reshape(4, -1) @ w.T + b)


@pytest.mark.parametrize("activation", [nn.ReLU, BoundedReLU])
@pytest.mark.parametrize("middle_kernel", [1, 3])
def test_resnet_forward(activation, middle_kernel):
    net = biased(ResNet(CIFAR10, 10, activation, middle_kernel))
    w1, b1, w2, b2, w3, b3, w4, b4, w5, b5, w, b = net.parameters()
    a, x = act(activation), 3 * torch.rand(4, *CIFAR10)
    h = a(F.conv2d(a(F.conv2d(x, w1, b1, stride=2, padding=3)), w2, b2, stride=2))
    g = a(F.conv2d(a(F.conv2d(h, w3, b3)), w4, b4, padding="same"))
    h = a(h + F.conv2d(g, w5, b5))
    h = h.reshape(4, 128, 2, 3, 2, 3).amax((3, 5))
    torch.testing.assert_close(net(x), h.reshape(4, -1) @ w.T + b)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_cifar_cnn_forward(padding):
    net = biased(CifarCNN(CIFAR10, 10, BoundedReLU, padding))
    w1, b1, w2, b2, w3, b3, w4, b4 = net.parameters()
    a, x = act(BoundedReLU), 3 * torch.rand(4, *CIFAR10)
    h = a(F.conv2d(x, w1, b1, padding=1)).reshape(4, 32, 16, 2, 16, 2).amax((3, 5))
    h = a(F.conv2d(h, w2, b2, padding=padding))
    half = h.shape[-1] // 2
    h = h.reshape(4, 64, half, 2, half, 2).amax((3, 5))
    torch.testing.assert_close(net(x), a(h.reshape(4, -1) @ w3.T + b3) @ w4.T + b4)


def test_dropout_acts_in_training_alone():
    net, x = CifarCNN(CIFAR10, 10), torch.rand(2, *CIFAR10)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
    still = CifarCNN(CIFAR10, 10, dropout=0.0)
    assert torch.equal(still(x), still(x))


@pytest.mark.parametrize("net", [CNN(MNIST, 10), ResNet(MNIST, 10), CifarCNN(CIFAR10, 10)])
def test_keras_initialisation(net):
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            field = math.prod(layer.weight.shape[2:])
            bound = math.sqrt(6 / (field * (layer.weight.shape[0] + layer.weight.shape[1])))
            largest = layer.weight.abs().max().item()
            assert 0.95 * bound < largest <= bound * (1 + 1e-6)
            assert layer.bias.count_nonzero() == 0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: CNN((1, 27, 28), 10), "at least 28 pixels high and wide"),
        (lambda: ResNet((1, 19, 40), 10), "at least 20 pixels high and wide"),
        (lambda: CifarCNN((3, 7, 7), 10), "at least 8 pixels"),
        (lambda: CNN((28, 28), 10), r"\(channels, height, width\)"),
        (lambda: CNN((0, 28, 28), 10), "shape must be a whole number of at least 1"),
        (lambda: CNN(MNIST, 1), "num_classes must be a whole number of at least 2"),
        (lambda: ResNet(MNIST, 10, middle_kernel=2), "middle_kernel must be odd"),
        (lambda: CifarCNN(CIFAR10, 10, padding="sam"), "did you mean same"),
        (lambda: CifarCNN(CIFAR10, 10, dropout=2), "dropout must be a number from 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_the_smallest_shapes_work():
    assert CNN((1, 28, 28), 2)(torch.rand(1, 1, 28, 28)).shape == (1, 2)
    assert ResNet((1, 20, 20), 2)(torch.rand(1, 1, 20, 20)).shape == (1, 2)
    assert CifarCNN((1, 8, 8), 2)(torch.rand(1, 1, 8, 8)).shape == (1, 2)
