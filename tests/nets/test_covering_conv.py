"""The matrix product is the convolution: values, gradients and parameters."""

import torch
from torch import nn

from hardlight.nets.cnn import CoveringConv2d


def test_it_is_the_plain_convolution():
    fast, plain = CoveringConv2d(6, 4, 5).double(), nn.Conv2d(6, 4, 5).double()
    plain.load_state_dict(fast.state_dict())
    for size in (5, 7):
        x = torch.rand(3, 6, size, size, dtype=torch.float64, requires_grad=True)
        torch.testing.assert_close(fast(x), plain(x))
        weights = torch.rand_like(plain(x))
        ours = torch.autograd.grad((fast(x) * weights).sum(), [x, *fast.parameters()])
        theirs = torch.autograd.grad((plain(x) * weights).sum(), [x, *plain.parameters()])
        torch.testing.assert_close(ours, theirs)
