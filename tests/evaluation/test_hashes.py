import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hardlight.data import ImageSet, NpzSource
from hardlight.evaluation.hashes import data_sha256, weights_sha256


def stored(folder, name, images, labels):
    np.savez(folder / name, images=images, labels=labels)
    return NpzSource(train=str(folder / name), test=str(folder / name)).read("test")


def test_equal_data_in_another_file_are_equal_and_a_bit_is_not(tmp_path):
    rng = np.random.default_rng(0)
    bright, labels = rng.integers(0, 256, (9, 5, 4, 3), dtype=np.uint8), rng.integers(0, 3, 9)
    pixels = bright.astype(np.float32) / np.float32(255)
    expected = data_sha256(stored(tmp_path, "bytes.npz", bright, labels))
    assert data_sha256(stored(tmp_path, "floats.npz", pixels, labels.astype(np.int32))) == expected
    rows = pixels.transpose(0, 3, 1, 2).tobytes() + labels.astype(np.int64).tobytes()
    assert hashlib.sha256(rows).hexdigest() == expected
    nudged, other = pixels.copy(), labels.copy()
    nudged[8, 4, 3, 2] = np.nextafter(nudged[8, 4, 3, 2], np.float32(0.5))
    other[3] = (other[3] + 1) % 3
    assert data_sha256(stored(tmp_path, "nudged.npz", nudged, labels)) != expected
    assert data_sha256(stored(tmp_path, "other.npz", pixels, other)) != expected


def test_data_larger_than_what_is_taken_at_once():
    images, labels = torch.arange(9000).remainder(251).to(torch.uint8)[:, None, None, None], torch.zeros(9000).long()
    rows = (images.numpy().astype(np.float32) / np.float32(255)).tobytes() + labels.numpy().tobytes()
    assert data_sha256(ImageSet(images, labels, torch.arange(9000))) == hashlib.sha256(rows).hexdigest()


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2, dtype=torch.bfloat16))


def test_equal_weights_in_another_file_are_equal_and_a_bit_is_not(tmp_path):
    expected = weights_sha256(net())
    save_file(net().state_dict(), tmp_path / "weights.safetensors")
    torch.save(dict(reversed(net().state_dict().items())), tmp_path / "weights.pt")
    for state in (load_file(tmp_path / "weights.safetensors"), torch.load(tmp_path / "weights.pt")):
        other = net()
        for parameter in other.parameters():
            nn.init.zeros_(parameter)
        other.load_state_dict(state)
        assert weights_sha256(other.eval()) == expected


@pytest.mark.parametrize("name", net().state_dict())
def test_one_bit_of_any_weight_or_buffer_tells(name):
    changed = net()
    value = changed.state_dict()[name]
    value.reshape(-1).view(torch.uint8)[-1] ^= 1
    assert weights_sha256(changed) != weights_sha256(net())


def test_the_names_of_weights_count_and_their_order_does_not():
    one, two = nn.Linear(2, 1), nn.Linear(2, 1)
    assert weights_sha256(nn.ModuleDict({"b": two, "a": one})) == weights_sha256(nn.ModuleDict({"a": one, "b": two}))
    assert weights_sha256(nn.ModuleDict({"a": one, "c": two})) != weights_sha256(nn.ModuleDict({"a": one, "b": two}))


def test_weights_that_changed_places_tell():
    swapped = net()
    swapped[1].weight.data, swapped[1].bias.data = swapped[1].bias.data, swapped[1].weight.data
    assert weights_sha256(swapped) != weights_sha256(net())
