"""``hardlight.load``: the net that was trained, and nothing else that a file may want."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finished_run import Run
from torch import nn

import hardlight
from hardlight.build.checkpoint import trusted
from hardlight.cli import main


def test_it_is_the_net_that_was_tested(trained: Run, npz: dict[str, list[str]]) -> None:
    net = hardlight.load(trained.folder / "best.ckpt")
    assert isinstance(net, nn.Module)
    assert not any(module.training for module in net.modules())
    with np.load(npz["gray"][2].partition("=")[2]) as test:
        x, y = torch.from_numpy(test["images"])[:, None] / 255, test["labels"]
    logits = net(x).detach()
    clean = trained.samples[trained.samples["attack"] == "none"]
    assert clean["adversarial_prediction"].tolist() == logits.argmax(1).tolist()
    right = logits.gather(1, torch.from_numpy(y)[:, None]).squeeze(1)
    others = logits.scatter(1, torch.from_numpy(y)[:, None], -torch.inf).amax(1)
    assert np.allclose(clean["margin"], right - others, atol=1e-6)


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "pickle", "malicious", "foreign", "weights", "folder"])
def test_a_file_that_is_none_of_ours(kind: str, trained: Run, empty_folder: Path) -> None:
    whole = (trained.folder / "best.ckpt").read_bytes()
    content: dict[str, Callable[[Path], object]] = {
        "text": lambda file: file.write_text("not a checkpoint"),
        "empty": lambda file: file.touch(),
        "truncated": lambda file: file.write_bytes(whole[: len(whole) // 2]),
        "pickle": lambda file: file.write_bytes(pickle.dumps({"state_dict": Malicious()})),
        "malicious": lambda file: torch.save({"hardlight": {"config": {}}, "state_dict": Malicious()}, file),
        "foreign": lambda file: torch.save({"state_dict": {"weight": torch.zeros(1)}, "epoch": 3}, file),
        "weights": lambda file: torch.save(nn.Linear(2, 2).state_dict(), file),
        "folder": lambda file: file.mkdir(),
    }
    file = empty_folder / "odd.ckpt"
    content[kind](file)
    with pytest.raises(hardlight.UserError, match=r"odd\.ckpt") as told:
        hardlight.load(file)
    assert "\n" not in str(told.value)
    assert not (empty_folder / "executed").exists()


TOUCH = ["touch executed"]
HIDING: dict[str, dict[str, Any]] = {
    "plain": {"model": {"_target_": "os.system", "_args_": TOUCH}},
    "through ours": {"model": {"_target_": "hardlight.build.os.system", "_args_": TOUCH}},
    "through a module of nets": {"model": {"_target_": "hardlight.nets.weights.torch.os.system", "_args_": TOUCH}},
    "through torch": {"activation": {"_target_": "torch.nn.modules.os.system", "_args_": TOUCH}},
    "an activation": {"activation": {"_target_": "os.system", "_args_": TOUCH}},
    "a defense": {"defense": {"gda": {"_target_": "os.system", "_args_": TOUCH}}},
    "inside a defense": {
        "defense": {
            "at": {
                "_target_": "hardlight.defenses.AdversarialTraining",
                "attack": {"_target_": "os.system", "_args_": TOUCH},
            }
        }
    },
    "an interpolation": {"model": {"_target_": "${seed}", "_args_": TOUCH}, "seed": "os.system"},
    "a second interpolation": {"model": {"_target_": "\\${seed}", "_args_": TOUCH}, "seed": "os.system"},
    "a third": {"model": {"_target_": "\\\\\\${seed}", "_args_": TOUCH}, "seed": "os.system"},
    "a node by interpolation": {"model": "${seed}", "seed": {"_target_": "os.system", "_args_": TOUCH}},
    "a node by a second": {"model": "\\${seed}", "seed": {"_target_": "os.system", "_args_": TOUCH}},
    "in a list": {"model": {"_target_": "hardlight.nets.CNN", "_args_": [{"_target_": "os.system", "_args_": TOUCH}]}},
    "a path": {
        "model": {"_target_": "hardlight.nets.python_net", "path": "os:system", "kwargs": {"command": TOUCH[0]}}
    },
    "a path without its name": {"model": {"_target_": "hardlight.nets.python_net", "_args_": ["os:system"]}},
    "a path to python_net": {
        "model": {
            "_target_": "hardlight.nets.python_net",
            "path": "hardlight.nets:python_net",
            "kwargs": {"path": "os:system", "kwargs": {"command": TOUCH[0]}},
            "shape": [1, 28, 28],
            "num_classes": 4,
        }
    },
    "hydra's own": {"model": {"_target_": "hydra.utils.call", "_args_": [{"_target_": "os.system", "_args_": TOUCH}]}},
}


@pytest.fixture
def tampered(trained: Run, empty_folder: Path) -> Callable[[dict[str, Any]], Path]:
    """The trained net's checkpoint, with other words in its configuration."""

    def write(words: dict[str, Any]) -> Path:
        checkpoint = torch.load(trained.folder / "best.ckpt", weights_only=True)
        checkpoint["hardlight"]["config"] |= words
        torch.save(checkpoint, empty_folder / "tampered.ckpt")
        return empty_folder / "tampered.ckpt"

    return write


@pytest.mark.parametrize("words", HIDING.values(), ids=HIDING)
def test_a_checkpoint_that_wants_to_run_something(
    words: dict[str, Any], tampered: Callable[[dict[str, Any]], Path], empty_folder: Path
) -> None:
    with pytest.raises(hardlight.UserError, match="it wants to run code of yours"):
        hardlight.load(tampered(words))
    assert not (empty_folder / "executed").exists()


def test_nor_does_evaluate_run_what_the_data_of_a_checkpoint_names(
    tampered: Callable[[dict[str, Any]], Path], empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"name": "x", "shape": [1, 28, 28], "num_classes": 4, "eval_eps": {"linf": [0.1]}}
    file = tampered({"data": {**data, "source": {"_target_": "os.system", "_args_": TOUCH}}})
    assert main(["evaluate", f"ckpt={file}", "attack=[fgsm]"]) == 2
    assert "os.system; if you trust it" in capsys.readouterr().err
    assert not (empty_folder / "executed").exists()


@pytest.mark.parametrize(
    "words",
    [
        {"model": None},
        {"model": {"_target_": "hardlight.nets.ResNet", "shape": [1, 28, 28], "num_classes": 4}},
        {"data": {}},
        {"data": None},
        {"defense": 3},
        {"model": "${nowhere}"},
        {"model": {"_target_": "hardlight.nets.CNN", "shape": "wide", "num_classes": 4}},
    ],
)
def test_a_configuration_that_makes_no_net(words: dict[str, Any], tampered: Callable[[dict[str, Any]], Path]) -> None:
    with pytest.raises(hardlight.UserError, match=r"tampered\.ckpt") as told:
        hardlight.load(tampered(words))
    assert "\n" not in str(told.value)


DATA: dict[str, Any] = {"name": "x", "source": None, "shape": [1, 28, 28], "num_classes": 4, "train_eps": 0.1}
SAID: dict[str, dict[str, Any]] = {
    "choices.model": {"choices": {}},
    "choices.seed": {"choices": {"model": "cnn", "activation": "relu"}},
    "iterable": {"choices": 3},
    "data.name must be text": {"data": {**DATA, "name": None, "source": {"_target_": "hardlight.data.NpzSource"}}},
    "data.eval_eps": {"data": {**DATA, "source": {}, "batch_size": 1, "eval_batch_size": 1, "validation": 0.1}},
    "data.batch_size has no value": {"data": {**DATA, "source": {}}},
    "num_classes must be a whole number": {"data": {**DATA, "num_classes": float("nan")}},
    "shape must be (channels, height, width)": {"data": {**DATA, "shape": "wide"}},
    "data must be chosen": {"data": DATA},
}


@pytest.mark.parametrize("said", SAID)
def test_evaluate_tells_what_is_wrong_with_a_configuration(
    said: str, tampered: Callable[[dict[str, Any]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tampered(SAID[said])
    capsys.readouterr()
    assert main(["evaluate", f"ckpt={file}", "attack=[fgsm]"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_weights_that_are_no_numbers(trained: Run, empty_folder: Path) -> None:
    checkpoint = torch.load(trained.folder / "best.ckpt", weights_only=True)
    checkpoint["state_dict"] = {key: value * np.nan for key, value in checkpoint["state_dict"].items()}
    torch.save(checkpoint, empty_folder / "nan.ckpt")
    with pytest.raises(hardlight.UserError, match=r"nan\.ckpt: its weights hold NaN"):
        hardlight.load(empty_folder / "nan.ckpt")


@pytest.mark.parametrize("n", [1, 4, 1000, -100, -1])
def test_a_truncated_file(n: int, trained: Run, empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_folder / "cut.ckpt").write_bytes((trained.folder / "best.ckpt").read_bytes()[:n])
    capsys.readouterr()
    assert main(["evaluate", "ckpt=cut.ckpt"]) == 2
    assert capsys.readouterr().err == "hardlight: cut.ckpt is no checkpoint, or a damaged one\n"


def test_sizes_that_only_a_header_claims(trained: Run, empty_folder: Path) -> None:
    checkpoint = torch.load(trained.folder / "best.ckpt", weights_only=True)
    key = next(iter(checkpoint["state_dict"]))
    checkpoint["state_dict"][key] = torch.zeros(1).expand(10**12)
    torch.save(checkpoint, empty_folder / "huge.ckpt")
    with pytest.raises(hardlight.UserError, match=r"huge\.ckpt does not hold the weights"):
        hardlight.load(empty_folder / "huge.ckpt")


@pytest.mark.parametrize("target", ["hardlight.nets.weights", "hardlight.attacks._hidden", "hardlight.config.register"])
def test_only_what_is_public_is_built(target: str) -> None:
    with pytest.raises(hardlight.UserError, match=f"it wants to run code of yours, {target}"):
        trusted({"_target_": target}, "model", ())
    trusted({"_target_": "hardlight.nets.CNN", "activation": {"_target_": "torch.nn.ReLU"}}, "model", ())
