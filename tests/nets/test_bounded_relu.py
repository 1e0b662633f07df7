import pytest
import torch

from hardlight.backward import asked_for
from hardlight.nets import BoundedReLU

X = torch.tensor([-1.0, -0.1, 0.25, 0.4, 3.0])  # not at the bounds, where torch's own versions differ
INSIDE = torch.tensor([0.0, 0, 1, 1, 0])
LEAKY = torch.tensor([0.03, 0.03, 1, 1, 0.03])


def sloped(layer, x=X):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(layer(x).sum(), x)[0]


@pytest.mark.parametrize("backward", ["exact", "leaky"])
def test_the_value_is_a_clamp_with_either_backward_pass(backward):
    assert BoundedReLU(0.25, backward)(X).tolist() == [0, 0, 0.25, 0.25, 0.25]
    x = 10 * torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(BoundedReLU(1.5, backward)(x), x.clamp(0, 1.5))


def test_gradients_by_hand():
    assert torch.equal(sloped(BoundedReLU(0.5)), INSIDE)
    assert torch.equal(sloped(BoundedReLU(0.5, "leaky")), LEAKY)


@pytest.mark.parametrize("own", ["exact", "leaky"])
def test_an_attack_may_ask_for_either(own):
    layer = BoundedReLU(0.5, own)
    before = sloped(layer)
    for backward, expected in {"exact": INSIDE, "leaky": LEAKY, "adaptive": LEAKY, "soft": before}.items():
        with asked_for(backward):
            assert torch.equal(sloped(layer), expected)
            assert torch.equal(layer(X), X.clamp(0, 0.5))
    assert torch.equal(sloped(layer), before)


def test_the_slope_is_the_classs_to_set():
    class Steeper(BoundedReLU):
        SLOPE = 0.5

    assert sloped(Steeper(0.5, "leaky")).tolist() == [0.5, 0.5, 1, 1, 0.5]
    assert Steeper(0.5, "leaky").gradient == "leaky, slope 0.5 outside [0, 0.5]"


def test_what_is_said_of_it():
    assert BoundedReLU(2.0).gradient == "exact, zero outside [0, 2]"
    assert BoundedReLU(2.0, "leaky").gradient == "leaky, slope 0.03 outside [0, 2]"
    assert repr(BoundedReLU(2.0)) == "BoundedReLU(t=2.0)"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"t": 0}, "t must be a number greater than 0"),
        ({"t": torch.inf}, "t must"),
        ({"backward": "leeky"}, "did you mean leaky"),
        ({"backward": "soft"}, "backward must be"),
        ({"backward": None}, "backward must be"),
    ],
)
def test_what_cannot_be_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        BoundedReLU(**settings)
