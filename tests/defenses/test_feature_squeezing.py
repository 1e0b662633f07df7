import numpy as np
import pytest
import torch

from hardlight.attacks import PGD
from hardlight.defenses import DefendedNet, DefenseStack, FeatureSqueezing

backwards = pytest.mark.parametrize("backward", ["straight_through", "exact"])


def test_one_bit_by_hand_with_half_to_even():
    x = torch.tensor([0.0, 0.2, 0.49, 0.5, 0.51, 0.8, 1.0])
    assert FeatureSqueezing(bits=1).squeeze(x).tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_two_bits_by_hand_with_half_to_even():
    x = torch.tensor([0.0, 0.16, 1 / 6, 0.17, 0.5, 5 / 6, 1.0], dtype=torch.float64)
    levels = (FeatureSqueezing(bits=2).squeeze(x) * 3).tolist()
    assert levels == [0, 0, 0, 1, 2, 2, 3]  # 0.5, 1.5 and 2.5 levels go to 0, 2 and 2


@backwards
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bits", range(1, 9))
class TestEveryDepth:
    def test_the_value_is_exactly_the_level(self, bits, dtype, backward):
        x = torch.rand(2000, generator=torch.Generator().manual_seed(bits), dtype=dtype)
        squeezed = FeatureSqueezing(bits=bits, backward=backward).squeeze(x.requires_grad_())
        levels = np.dtype(str(dtype).removeprefix("torch.")).type(2**bits - 1)
        expected = np.rint(x.detach().numpy() * levels) / levels
        assert np.array_equal(squeezed.detach().numpy(), expected)
        assert squeezed.detach().unique().numel() == 2**bits

    def test_idempotent(self, bits, dtype, backward):
        squeeze = FeatureSqueezing(bits=bits, backward=backward).squeeze
        x = torch.rand(2000, generator=torch.Generator().manual_seed(bits), dtype=dtype)
        assert torch.equal(squeeze(squeeze(x)), squeeze(x))

    def test_gradient(self, bits, dtype, backward):
        x = torch.rand(50, generator=torch.Generator().manual_seed(bits), dtype=dtype).requires_grad_()
        (gradient,) = torch.autograd.grad((3 * FeatureSqueezing(bits=bits, backward=backward).squeeze(x)).sum(), x)
        assert gradient.unique().tolist() == [3 if backward == "straight_through" else 0]


def test_images_of_eight_bits_pass_unchanged():
    x = torch.arange(256, dtype=torch.float32) / 255
    assert torch.equal(FeatureSqueezing(bits=8).squeeze(x), x)


def test_straight_through_lets_an_attack_in_where_the_exact_gradient_shuts_it_out():
    torch.manual_seed(0)
    x = torch.rand(40, 1, 6, 6)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 5))
    fooled = {}
    for backward in ("straight_through", "exact"):
        model = DefendedNet(net, DefenseStack((FeatureSqueezing(bits=3, backward=backward),)))
        y = model(x).argmax(1)
        x_adv = PGD(eps=0.15, random_start=False)(model, x, y)
        fooled[backward] = (model(x_adv).argmax(1) != y).double().mean()
    assert fooled["straight_through"] > 0.8
    assert fooled["exact"] == 0
