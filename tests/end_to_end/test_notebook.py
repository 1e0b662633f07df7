"""Without the command line, and with the reader's own parts: what the README shows, run as it stands there."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from finished_run import Run
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from hardlight.attacks import FGSM, PGD
from hardlight.defenses import (
    AdversarialTraining,
    DefendedNet,
    DefenseStack,
    FeatureSqueezing,
    GaussianAugmentation,
    LabelSmoothing,
)

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_attacks_take_any_module_and_leave_it_alone() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    x, y = torch.rand(6, 1, 4, 4), torch.arange(6) % 3
    for attack in (FGSM(eps=0.1), PGD(eps=0.1, steps=3)):
        assert (attack(net, x, y) - x).abs().amax() <= 0.1 + 1e-6
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_defenses_in_a_training_loop_of_ones_own() -> None:
    torch.manual_seed(0)
    defenses = DefenseStack(
        (
            GaussianAugmentation(sigma=0.05, copies=2),
            LabelSmoothing(),
            AdversarialTraining(attack=FGSM(eps=0.02)),
            FeatureSqueezing(bits=4),
        )
    )
    net = DefendedNet(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), defenses)
    y = torch.arange(64) % 2
    x = (0.25 + 0.5 * y[:, None, None, None] + 0.05 * torch.randn(64, 1, 4, 4)).clamp(0, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(40):
        more, labels = defenses.augment(x, y)
        target = defenses.soften(one_hot(labels, 2).float())
        loss = defenses.harden(cross_entropy(net(more), target), net, more, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x_adv = PGD(eps=0.05, steps=5)(net.eval(), x, y)
    assert (net(x_adv).argmax(1) == y).float().mean() > 0.9


def section(title: str) -> tuple[str, str, str, list[str]]:
    """Of a README's section: the Python, the conf file's name and text, and the command."""
    text = re.split(r"^##+ ", README.split(f"### {title}\n")[1], flags=re.MULTILINE)[0]
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL))
    name = re.search(r"`(myconf/\S+\.yaml)`", text)
    assert name
    program, *words = shlex.split(blocks["bash"])
    assert program == "hardlight"
    return blocks["python"], name.group(1), blocks["yaml"], words


@pytest.mark.parametrize("title", ["Adding a defense", "Adding an attack"])
def test_a_part_of_ones_own(
    title: str, npz, empty_folder: Path, hardlight: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    python, name, yaml, words = section(title)
    (empty_folder / "mine.py").write_text(python)
    (empty_folder / name).parent.mkdir(parents=True)
    (empty_folder / name).write_text(yaml)
    sys.modules.pop("mine", None)
    run = Run(hardlight(*words, *npz["gray"], "debug=fast"))
    if title == "Adding a defense":
        assert set(run.records["defense"]) == {"dim+gda"}
    else:
        darkened = run.samples[run.samples["attack"] == "darken"]
        assert len(darkened) == 3 * 8
        assert pd.Series(darkened["linf"] <= darkened["eps"] + 1e-6).all()
        assert (darkened["forward_passes"] == 0).all()


def test_a_checkpoint_of_ones_own_defense_asks_for_trust(
    npz, empty_folder: Path, hardlight: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import hardlight as package

    python, name, yaml, words = section("Adding a defense")
    (empty_folder / "mine.py").write_text(python)
    (empty_folder / name).parent.mkdir(parents=True)
    (empty_folder / name).write_text(yaml)
    sys.modules.pop("mine", None)
    ckpt = hardlight(*words, *npz["gray"], "debug=fast") / "best.ckpt"
    with pytest.raises(package.UserError, match=r"mine\.Dimming; if you trust it, add 'trust=\[mine\]'"):
        package.load(ckpt)
    net = package.load(ckpt, trust=["mine"])
    assert [type(defense).__name__ for defense in net.defenses] == ["Dimming", "GaussianAugmentation"]
