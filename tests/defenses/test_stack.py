from dataclasses import dataclass

import pytest
import torch
from torch import nn

from hardlight.defenses import DefendedNet, Defense, DefenseStack, FeatureSqueezing, GaussianAugmentation

HOOKS = ("extend", "augment", "soften", "harden", "squeeze")


@dataclass(frozen=True)
class Add(Defense):
    """Adds to whatever passes any of its hooks."""

    value: float

    def extend(self, x, y):
        return x + self.value, y + 1

    def augment(self, x, y):
        return x + self.value, y + 1

    def soften(self, target):
        return target + self.value

    def harden(self, loss, model, x, target):
        return loss + self.value

    def squeeze(self, x):
        return x + self.value


@dataclass(frozen=True)
class Double(Defense):
    """Doubles whatever passes any of its hooks."""

    def extend(self, x, y):
        return 2 * x, 2 * y

    def augment(self, x, y):
        return 2 * x, 2 * y

    def soften(self, target):
        return 2 * target

    def harden(self, loss, model, x, target):
        return 2 * loss

    def squeeze(self, x):
        return 2 * x


def call(defense, hook):
    x, y = torch.tensor([5.0]), torch.tensor([3])
    arguments = {"extend": (x, y), "augment": (x, y), "soften": (x,), "harden": (x, None, x, x), "squeeze": (x,)}
    result = getattr(defense, hook)(*arguments[hook])
    return [part.item() for part in result] if isinstance(result, tuple) else [result.item()]


@pytest.mark.parametrize("hook", HOOKS)
def test_folds_in_the_order_given(hook):
    labels = hook in ("extend", "augment")
    assert call(DefenseStack((Add(1), Double())), hook) == ([12, 8] if labels else [12])
    assert call(DefenseStack((Double(), Add(1))), hook) == ([11, 7] if labels else [11])
    assert call(DefenseStack([Add(1), DefenseStack([Add(2), Double()])]), hook) == ([16, 10] if labels else [16])


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("defense", [Defense(), DefenseStack(), DefenseStack((Defense(),))], ids=repr)
def test_nothing_overridden_is_the_identity(hook, defense):
    assert call(defense, hook) == ([5, 3] if hook in ("extend", "augment") else [5])


def test_a_list_from_yaml_becomes_a_tuple():
    defenses = [Add(1), Double()]
    assert DefenseStack(defenses) == DefenseStack(tuple(defenses))
    assert list(DefenseStack(defenses)) == defenses


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).double()


def test_squeeze_is_the_first_step(net):
    x = torch.rand(5, 1, 6, 6, dtype=torch.float64)
    stack = DefenseStack((FeatureSqueezing(bits=2), GaussianAugmentation(sigma=0.1)))
    assert torch.equal(DefendedNet(net, stack)(x), net((x * 3).round() / 3))
    assert torch.equal(DefendedNet(net, DefenseStack())(x), net(x))


@pytest.mark.parametrize("chunk", [1, 4, 10, 11, 100])
def test_in_chunks_as_in_one(net, chunk):
    x = torch.rand(11, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    stack = DefenseStack((FeatureSqueezing(bits=3),))
    results = []
    for size in (None, chunk):
        leaf = x.clone().requires_grad_()
        sizes = []
        handle = net.register_forward_hook(lambda _module, args, _out, sizes=sizes: sizes.append(len(args[0])))
        logits = DefendedNet(net, stack, size)(leaf)
        handle.remove()
        assert max(sizes) <= (size or 11)
        assert sum(sizes) == 11
        results.append((logits, *torch.autograd.grad(logits.square().sum(), (leaf, *net.parameters()))))
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=0, atol=1e-12)


def test_its_weights_are_the_nets(net):
    assert set(DefendedNet(net, DefenseStack()).state_dict()) == {f"net.{key}" for key in net.state_dict()}
