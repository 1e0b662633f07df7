import numpy as np
import pytest
import torch

from hardlight.attacks import PGD
from hardlight.backward import asked_for
from hardlight.defenses import DefendedNet, DefenseStack, FeatureSqueezing

backwards = pytest.mark.parametrize("backward", ["straight_through", "soft", "exact"])


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
        x = torch.rand(50, generator=torch.Generator().manual_seed(bits), dtype=dtype)
        gradient = sloped(FeatureSqueezing(bits=bits, backward=backward), x)
        if backward == "soft":
            h, levels = 1e-6, 2**bits - 1
            up, down = (soft_rounding((x.numpy().astype(np.float64) + d) * levels) / levels for d in (h, -h))
            assert gradient.numpy() == pytest.approx((up - down) / (2 * h), rel=1e-3)
        else:
            assert gradient.unique().tolist() == [1 if backward == "straight_through" else 0]

    def test_an_attack_may_ask_for_any(self, bits, dtype, backward):
        x = torch.rand(50, generator=torch.Generator().manual_seed(bits), dtype=dtype)
        expected = FeatureSqueezing(bits=bits, backward=backward)
        for own in ("straight_through", "soft", "exact"):
            defense = FeatureSqueezing(bits=bits, backward=own)
            with asked_for(backward):
                assert torch.equal(sloped(defense, x), sloped(expected, x))
                assert torch.equal(defense.squeeze(x), expected.squeeze(x))
            with asked_for("adaptive"):
                assert (sloped(defense, x) == 1).all()


def sloped(defense, x):
    """The gradient of each squeezed pixel by itself."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(defense.squeeze(x).sum(), x)[0]


def soft_rounding(z):
    """The running sum of one sigmoid a step between two levels, scaled so that whole numbers stay what they are."""
    low = np.floor(z)
    sigmoid = 1 / (1 + np.exp(-8 * (z - low - 0.5)))  # α = 4, of tanh(α·r) = 2·sigmoid(2·α·r) - 1
    lowest, highest = 1 / (1 + np.exp(4)), 1 / (1 + np.exp(-4))
    return low + (sigmoid - lowest) / (highest - lowest)


def test_soft_is_steepest_between_two_levels_and_never_flat():
    x = torch.tensor([0.0, 0.25, 0.49, 0.5, 0.51, 0.75, 1.0], dtype=torch.float64)
    slope = sloped(FeatureSqueezing(bits=1, backward="soft"), x)
    assert slope.argmax() == 3
    torch.testing.assert_close(slope, slope.flip(0))
    assert (slope > 0.1).all()
    assert (slope[:4].diff() > 0).all()


def test_images_of_eight_bits_pass_unchanged():
    x = torch.arange(256, dtype=torch.float32) / 255
    assert torch.equal(FeatureSqueezing(bits=8).squeeze(x), x)


def test_straight_through_lets_an_attack_in_where_the_exact_gradient_shuts_it_out():
    torch.manual_seed(0)
    x = torch.rand(40, 1, 6, 6)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 5))
    fooled = {}
    for backward in ("straight_through", "soft", "exact"):
        model = DefendedNet(net, DefenseStack((FeatureSqueezing(bits=3, backward=backward),)))
        y = model(x).argmax(1)
        x_adv = PGD(eps=0.15, random_start=False)(model, x, y)
        fooled[backward] = (model(x_adv).argmax(1) != y).double().mean()
    assert fooled["straight_through"] > 0.8
    assert fooled["soft"] > 0.8
    assert fooled["exact"] == 0


def test_what_is_said_of_the_gradient_names_it():
    said = {backward: FeatureSqueezing(bits=1, backward=backward).gradient for backward in FeatureSqueezing.OFFERED}
    assert "as if pixels were not rounded" in said["straight_through"]
    assert "smooth approximation" in said["soft"]
    assert "zero" in said["exact"]
