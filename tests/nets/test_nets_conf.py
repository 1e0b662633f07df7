"""Every shipped model and activation composes into a working net, and every key is a constructor's parameter."""

import inspect
from pathlib import Path

import pytest
import torch
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf

from hardlight.nets import BoundedReLU

CONF = Path(__file__).parents[2] / "conf"
MODELS = ["cnn", "resnet", "cifar_cnn", "mlp", "torchvision"]


def configured(model, activation):
    return OmegaConf.create(
        {
            "data": {"shape": [3, 32, 32], "num_classes": 5},
            "model": OmegaConf.load(CONF / "model" / f"{model}.yaml"),
            "activation": OmegaConf.load(CONF / "activation" / f"{activation}.yaml"),
        }
    )


@pytest.mark.parametrize("model", [*MODELS, "python"])
def test_keys_are_parameters(model):
    conf = OmegaConf.load(CONF / "model" / f"{model}.yaml")
    assert set(conf) - {"_target_"} == set(inspect.signature(get_object(conf["_target_"])).parameters)


ACTIVATIONS: dict[str, type[torch.nn.Module]] = {
    "relu": torch.nn.ReLU,
    "brelu": BoundedReLU,
    "leaky_relu": torch.nn.LeakyReLU,
    "softplus": torch.nn.Softplus,
    "silu": torch.nn.SiLU,
    "gelu": torch.nn.GELU,
}


def test_no_activation_is_forgotten():
    assert set(ACTIVATIONS) == {file.stem for file in (CONF / "activation").glob("*.yaml")}


@pytest.mark.parametrize(("activation", "kind"), ACTIVATIONS.items())
@pytest.mark.parametrize("model", MODELS)
def test_each_pair_is_a_working_net(model, activation, kind):
    net = instantiate(configured(model, activation).model, _convert_="all")
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 5)
    used = [type(layer) for layer in net.modules()]
    assert kind in used
    assert (set(ACTIVATIONS.values()) - {kind}).isdisjoint(used)


def test_a_net_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "net_from_conf_test.py").write_text(
        "from torch import nn\n"
        "def make(shape, num_classes, hidden):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3072, hidden), nn.Linear(hidden, num_classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    conf = configured("python", "relu")
    conf.model.path, conf.model.kwargs = "net_from_conf_test:make", {"hidden": 4}
    assert instantiate(conf.model, _convert_="all")(torch.rand(2, 3, 32, 32)).shape == (2, 5)
    conf = configured("python", "brelu")
    conf.model.path, conf.model.kwargs = "net_from_conf_test:make", {"hidden": 4}
    with pytest.raises(Exception, match="activation BoundedReLU cannot be used"):
        instantiate(conf.model, _convert_="all")
