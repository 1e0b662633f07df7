import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from hardlight.attacks import FGSM, PGD
from hardlight.data import Batch
from hardlight.evaluation.crafted import Crafted, CraftedError, craft, fingerprint, kept

CPU = torch.device("cpu")


def batches(n=5, size=2):
    x = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    y, index = torch.arange(n) % 3, torch.arange(n) + 100
    return [Batch(*parts) for parts in zip(*(each.split(size) for each in (x, y, index)), strict=True)]


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def test_every_batch_as_the_attack_makes_it():
    seen = []
    attack, model = PGD(eps=0.2, steps=3), net()
    made = craft(attack, model, batches(), CPU, seen.append)
    assert sum(seen) == made.forward_passes.sum() == 5 * 4
    for batch, x_adv in zip(batches(), made.x_adv.split(2), strict=True):
        torch.testing.assert_close(x_adv, attack(model, batch.x, batch.y, index=batch.index), rtol=0, atol=0)
    assert made.forward_passes.shape == made.backward_passes.shape == (5,)
    assert made.seconds > 0


def test_made_once_and_read_back_as_it_was(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return craft(FGSM(eps=0.1), net(), batches(), CPU)

    path = tmp_path / "sets" / "a.safetensors"
    first, second = kept(path, make), kept(path, make)
    assert len(calls) == 1
    assert all(torch.equal(a, b) for a, b in zip(first[:3], second[:3], strict=True))
    assert second.seconds == first.seconds
    assert [file.name for file in path.parent.iterdir()] == ["a.safetensors"]


def test_an_interrupted_set_leaves_nothing(tmp_path):
    def make():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "a.safetensors", make)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 20, 300])
def test_a_damaged_file_is_told(tmp_path, keep):
    path = tmp_path / "a.safetensors"
    kept(path, lambda: Crafted(torch.rand(9, 1, 4, 4), torch.ones(9), torch.ones(9), 1.0))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CraftedError, match=re.escape(f"{path} is damaged")):
        kept(path, lambda: pytest.fail("nothing may be made"))


def test_a_fingerprint_names_all_that_matters(tmp_path):
    ours, other = tmp_path / "best.ckpt", tmp_path / "other.ckpt"
    ours.write_bytes(b"one")
    other.write_bytes(b"two")
    attack = PGD(eps=0.2, steps=3)
    mark = fingerprint(ours, attack, "data")
    assert mark == fingerprint(ours, replace(attack), "data")
    changed = [
        fingerprint(other, attack, "data"),
        fingerprint(ours, replace(attack, eps=0.3), "data"),
        fingerprint(ours, replace(attack, seed=1), "data"),
        fingerprint(ours, FGSM(eps=0.2), "data"),
        fingerprint(ours, attack, "other data"),
    ]
    assert len({mark, *changed}) == 6
