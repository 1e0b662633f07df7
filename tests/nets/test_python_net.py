"""The user's own nets: what is passed, what is loaded, and each mistake in a sentence."""

import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hardlight.nets import BoundedReLU, python_net

SOURCE = """
import torch
from torch import nn

def plain(width=3):
    return nn.Linear(width, 2)

def asking(shape, num_classes, activation, width):
    size = shape[1] * shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(size, width), activation(), nn.Linear(width, num_classes))

def failing():
    raise RuntimeError("out of paint")

def number():
    return 3

constant = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "own_nets_for_test.py").write_text(SOURCE)
    (tmp_path / "broken_for_test.py").write_text("import a_missing_dependency\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("own_nets_for_test", None)


def build(name, activation=nn.ReLU, **options):
    path = name if ":" in name else f"own_nets_for_test:{name}"
    return python_net(path, shape=(1, 4, 4), num_classes=7, activation=activation, **options)


def test_it_is_given_what_it_asks_for_and_the_path_is_left_alone(here):
    before = list(sys.path)
    net = build("asking", BoundedReLU, kwargs={"width": 5})
    assert sys.path == before
    assert [type(layer) for layer in net] == [nn.Flatten, nn.Linear, BoundedReLU, nn.Linear]
    assert net(torch.rand(2, 1, 4, 4)).shape == (2, 7)
    assert build("plain").in_features == 3
    assert build("plain", kwargs={"width": 9}).in_features == 9


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_are_loaded(here, suffix):
    state = {"weight": torch.rand(2, 3), "bias": torch.rand(2)}
    save_file(state, "w.safetensors")
    torch.save(state, "w.pt")
    net = build("plain", weights=f"w.{suffix}")
    assert torch.equal(net.weight, state["weight"])
    assert torch.equal(net.bias, state["bias"])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("own_nets_for_test.plain:", "path must be 'package.module:make'"),
        (":plain", "path must be 'package.module:make'"),
        ("no_such_module_here:make", "there is no no_such_module_here to import"),
        ("own_nets_for_test.deeper:make", "own_nets_for_test"),
        ("broken_for_test:make", "importing broken_for_test raised ModuleNotFoundError.*a_missing_dependency"),
        ("plane", "has no plane; did you mean plain"),
        ("constant", "must name a callable, constant is of type int"),
        ("failing", "raised RuntimeError: out of paint"),
        ("number", "must return a torch.nn.Module, it returned int"),
    ],
)
def test_mistakes_in_the_path(here, name, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(name)


def test_an_activation_the_net_cannot_use_is_refused(here):
    with pytest.raises(ValueError, match="activation BoundedReLU cannot be used: own_nets_for_test:plain"):
        build("plain", BoundedReLU)


def test_a_wrong_keyword_is_told(here):
    with pytest.raises(ValueError, match=r"raised TypeError.*depth"):
        build("plain", kwargs={"depth": 3})


class Foreign:
    pass


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        (b"no tensors at all", "readable state dict of tensors alone"),
        (Foreign(), "readable state dict of tensors alone"),
        ([torch.zeros(1)], "readable state dict of tensors alone"),
        ({"epoch": 3}, "readable state dict of tensors alone"),
        ({"weight": torch.zeros(2, 3)}, r"1 missing \(bias"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "b": torch.zeros(1)}, r"1 unknown \(b,"),
        ({"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, r"weight has shape \(2, 4\), the net's has \(2, 3\)"),
    ],
)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_that_cannot_be_used(here, content, sentence, suffix):
    path = here / f"w.{suffix}"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif suffix == "safetensors" and isinstance(content, dict) and "epoch" not in content:
        save_file(content, path)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ValueError, match=sentence) as error:
        build("plain", weights=str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
