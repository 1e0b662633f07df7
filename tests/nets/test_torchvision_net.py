"""torchvision's models: the published sizes, any channels, small images, the activation throughout."""

import copy
import importlib
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

from hardlight.cli import main
from hardlight.nets import BoundedReLU, torchvision_net

LIGHT = ["resnet18", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "mnasnet0_5"]
LIGHT += ["shufflenet_v2_x0_5"]


def build(name, shape=(3, 32, 32), num_classes=10, **options):
    return torchvision_net(name, shape=shape, num_classes=num_classes, **options)


def count(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("resnet18", {}, 11_181_642),
        ("resnet18", {"small_images": True}, 11_173_962),  # of the many CIFAR10 ResNet-18s in the wild
        ("resnet18", {"small_images": True, "shape": (1, 28, 28)}, 11_173_962 - 2 * 64 * 9),
        ("resnet18", {"num_classes": 1000}, 11_689_512),  # torchvision's table
        ("resnet50", {"num_classes": 1000}, 25_557_032),
        ("mobilenet_v2", {"num_classes": 1000}, 3_504_872),
        ("googlenet", {"num_classes": 1000}, 6_624_904),
        ("densenet121", {"num_classes": 1000}, 7_978_856),
        ("densenet121", {"small_images": True}, 6_956_298 + 128),  # pytorch-cifar's, and torchvision's first BatchNorm
    ],
)
def test_parameter_counts_are_the_published(name, options, parameters):
    assert count(build(name, **options)) == parameters


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("name", LIGHT)
def test_any_channels_and_the_gradient_of_the_pixels(name, small, channels):
    net = build(name, (channels, 32, 32), 7, small_images=small)
    x = torch.rand(2, channels, 32, 32, requires_grad=True)
    logits = net.eval()(x)
    assert logits.shape == (2, 7)
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    assert gradient.isfinite().all()
    assert gradient.flatten(2).any(2).all()  # of every channel


@pytest.mark.parametrize("name", LIGHT)
def test_the_small_form_leaves_an_eighth_where_the_model_leaves_a_32nd(name):
    def last_map(net):
        sizes = []
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda layer, given, made: sizes.append(tuple(made.shape[2:])))
        net.eval()(torch.rand(1, 3, 64, 64))
        return min(size for size in sizes if size != (1, 1))  # those of squeeze and excitation

    assert last_map(build(name)) == (2, 2)
    assert last_map(build(name, small_images=True)) == (8, 8)


def test_the_small_resnet_begins_as_written_out():
    net, x = build("resnet18", small_images=True).eval(), torch.rand(2, 3, 32, 32)
    h = F.conv2d(x, net.conv1.weight, stride=1, padding=1)
    h = net.layer4(net.layer3(net.layer2(net.layer1(F.relu(h / (1 + 1e-5) ** 0.5)))))
    torch.testing.assert_close(net(x), net.fc(h.mean((2, 3))))


def test_vgg_is_its_own_small_form():
    net = build("vgg11", (1, 32, 32), small_images=True).eval()
    assert net(torch.rand(1, 1, 32, 32)).shape == (1, 10)
    assert net.features(torch.rand(1, 1, 32, 32)).shape == (1, 512, 1, 1)


def test_left_as_it_is_it_is_torchvisions():
    torch.manual_seed(0)
    ours = build("resnet18")
    torch.manual_seed(0)
    theirs = models.resnet18(num_classes=10)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5", "squeezenet1_1"])
@pytest.mark.parametrize("activation", [BoundedReLU, partial(nn.LeakyReLU, 0.2), nn.Softplus, nn.SiLU, nn.GELU])
def test_the_activation_takes_every_place(name, activation):
    net, plain = build(name, activation=activation), build(name)
    made = [layer for layer in net.modules() if isinstance(layer, type(activation()))]
    assert len(made) == len([layer for layer in plain.modules() if isinstance(layer, nn.ReLU | nn.ReLU6)]) > 0
    assert not any(isinstance(layer, nn.ReLU | nn.ReLU6) for layer in net.modules())
    x = torch.rand(2, 3, 32, 32, requires_grad=True)
    torch.autograd.grad(net.train()(x).sum(), [x, *net.parameters()])  # nothing in place spoils it


def test_another_activation_changes_the_function_and_relu_does_not():
    net, x = build("resnet18").eval(), torch.rand(2, 3, 32, 32)
    bounded = build("resnet18", activation=BoundedReLU).eval()
    wide = build("resnet18", activation=partial(BoundedReLU, 1e6)).eval()
    for other in (bounded, wide):
        other.load_state_dict(net.state_dict())
    torch.testing.assert_close(wide(x), net(x))
    assert (bounded(x) - net(x)).abs().max() > 1e-3


def test_a_models_own_activation_may_be_named():
    net = build("efficientnet_b0", activation=nn.SiLU)
    assert any(isinstance(layer, nn.SiLU) for layer in net.modules())
    tanh = build("convnext_tiny", activation=partial(nn.GELU, approximate="tanh"))
    assert {layer.approximate for layer in tanh.modules() if isinstance(layer, nn.GELU)} == {"tanh"}


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("resnet19", {}, "torchvision's classification models, got 'resnet19'; did you mean resnet1"),
        ("fasterrcnn_resnet50_fpn", {}, "name must be one of torchvision's classification models"),
        ("swin_t", {"small_images": True}, "small_images must be false for swin_t, of which no small form is known"),
        ("squeezenet1_1", {"small_images": True}, "no small form is known"),
        ("efficientnet_b0", {"activation": BoundedReLU}, "BoundedReLU cannot be used: efficientnet_b0 has SiLU;"),
        ("mobilenet_v3_small", {"activation": nn.SiLU}, "mobilenet_v3_small has Hardswish; choose activation=relu"),
        ("densenet121", {"activation": BoundedReLU}, "densenet121 has RELU called as a function"),
        ("googlenet", {"activation": nn.GELU}, "googlenet has RELU called as a function"),
        ("resnet18", {"weights": "missing.pt"}, "weights must name a file, got 'missing.pt'"),
        ("resnet18", {"small_images": "yes"}, "small_images must be true or false, got 'yes'"),
        ("resnet18", {"shape": (32, 32)}, "shape must be"),
    ],
)
def test_what_cannot_be_is_refused(name, options, sentence):
    with pytest.raises(ValueError, match=sentence) as told:
        build(name, **options)
    assert "\n" not in str(told.value)


def test_weights_of_a_file(tmp_path):
    theirs = models.mnasnet0_5(num_classes=10)
    torch.save(theirs.state_dict(), tmp_path / "w.pt")
    before = copy.deepcopy(theirs.state_dict())
    ours = build("mnasnet0_5", weights=str(tmp_path / "w.pt"))
    assert all(torch.equal(value, before[key]) for key, value in ours.state_dict().items())
    with pytest.raises(ValueError, match=r"do not fit the net: .*has shape \(16, 3, 3, 3\), the net's has \(16, 1, 3"):
        build("mnasnet0_5", (1, 32, 32), weights=str(tmp_path / "w.pt"))


ASSERTING = """
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        assert x.shape[-1] == 224, "Wrong image width!"  # as torchvision's vision transformers do

def make():
    return Net()
"""


@pytest.mark.parametrize(
    "model", ["model=torchvision model.name=inception_v3", "model=python model.path=asserting:make"]
)
def test_a_model_that_needs_larger_images_says_so(model, empty_folder, capsys):
    (empty_folder / "asserting.py").write_text(ASSERTING)
    importlib.invalidate_caches()
    assert main(["train", *model.split()]) == 2
    told = capsys.readouterr().err
    assert "model does not take the data's images of shape [1, 28, 28]" in told
    assert told.count("\n") == 1
