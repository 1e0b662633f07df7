"""MNIST, Fashion-MNIST and CIFAR10 from small files in the official formats and from prepared arrays."""

import gzip
import hashlib
import pickle
import struct
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from torchvision import datasets

from hardlight.data import StandardSource


def idx(array):
    """LeCun's IDX format: two zero bytes, type 8 (unsigned byte), the rank, the sizes, the bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path):
    return written(tmp_path, "MNIST")


def written(folder, name):
    """Six training and three test images in MNIST's four files."""
    raw = folder / name / "raw"
    raw.mkdir(parents=True)
    arrays = {}
    for part, prefix, n in (("train", "train", 6), ("test", "t10k", 3)):
        images = np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
        arrays[part] = images, labels
    return folder, arrays


@pytest.mark.parametrize(("name", "folder_name"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_mnist_as_torchvision_keeps_it(tmp_path, name, folder_name):
    folder, arrays = written(tmp_path, folder_name)
    source = StandardSource(name=name, folder=str(folder))
    source.check()
    source.prepare()
    assert source.describe() == ((1, 28, 28), 10)
    for part, (images, labels) in arrays.items():
        read = source.read(part)
        assert np.array_equal(read.images[:, 0].numpy(), images)
        assert read.images.shape[1:] == (1, 28, 28)
        assert read.labels.tolist() == labels.tolist()
        assert read.index.tolist() == list(range(len(labels)))


def test_cifar10_as_torchvision_keeps_it(tmp_path, monkeypatch):
    """Its files are pickles known by their MD5, so the reader is told the small files' own."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    flat = np.random.default_rng(0).integers(0, 256, (12, 3072), dtype=np.uint8)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for i, name in enumerate(names):
        batch = {"data": flat[2 * i : 2 * i + 2], "labels": [i, i + 1]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    md5 = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[name, md5[name]] for name in names[:5]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [[names[5], md5[names[5]]]])
    monkeypatch.setattr(
        datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]}
    )
    source = StandardSource(name="cifar10", folder=str(tmp_path))
    source.check()
    train, test = source.read("train"), source.read("test")
    assert np.array_equal(train.images.numpy(), flat[:10].reshape(10, 3, 32, 32))
    assert train.labels.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert np.array_equal(test.images.numpy(), flat[10:].reshape(2, 3, 32, 32))
    (folder / "test_batch").write_bytes(b"bent")
    with pytest.raises(
        ValueError,
        match=r"cifar10's test split in .* cannot be read \(.*corrupted.*\): remove .*cifar-10-batches-py, and",
    ):
        source.read("test")


@pytest.mark.parametrize(
    ("name", "shape"), [("mnist", (28, 28)), ("fashion_mnist", (28, 28)), ("cifar10", (32, 32, 3))]
)
def test_prepared_arrays_come_first(mnist, name, shape):
    folder, _ = mnist
    (folder / name).mkdir()
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    np.savez(folder / name / "train.npz", images=images, labels=np.arange(4), names=np.array(["a", "b"]))
    np.savez(folder / name / "test.npz", images=images[:2], labels=np.arange(2))
    source = StandardSource(name=name, folder=str(folder))
    source.check()
    channels_last = images if images.ndim == 4 else images[..., None]
    assert np.array_equal(source.read("train").images.permute(0, 2, 3, 1).numpy(), channels_last)
    assert len(source.read("test")) == 2
    (folder / name / "test.npz").write_bytes(b"bent")
    with pytest.raises(ValueError, match=r"test.npz is not a readable npz file"):
        source.check()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_a_missing_folder_says_where_it_looked_and_what_to_do(tmp_path, name):
    folder = tmp_path / "nowhere"
    with pytest.raises(ValueError, match=f"{name} is not in {folder}") as error:
        StandardSource(name=name, folder=str(folder)).check()
    for way in ("paths.data=", "HARDLIGHT_DATA", "data.source.download=true"):
        assert way in str(error.value)
    assert "\n" not in str(error.value)
    StandardSource(name=name, folder=str(folder), download=True).check()
    assert not folder.exists()


def test_one_set_is_not_taken_for_another(mnist):
    folder, _ = mnist
    with pytest.raises(ValueError, match=f"fashion_mnist is not in {folder}, .*nor as FashionMNIST/raw/train-images"):
        StandardSource(name="fashion_mnist", folder=str(folder)).check()


def test_one_missing_file_is_noticed(mnist):
    folder, _ = mnist
    (folder / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match="mnist is not in"):
        StandardSource(name="mnist", folder=str(folder)).check()


def test_download(mnist, tmp_path, monkeypatch):
    """From a mirror on this machine; what cannot be had is told in one sentence."""
    folder, arrays = mnist
    web = tmp_path / "web"
    web.mkdir()
    resources = []
    for file in sorted((folder / "MNIST" / "raw").iterdir()):
        packed = web / f"{file.name}.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=web)) as server:
        Thread(target=server.serve_forever).start()
        mirror = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{mirror}/"])
        source = StandardSource(name="mnist", folder=str(tmp_path / "fresh"), download=True)
        source.prepare()
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{mirror}/gone/"])
        with pytest.raises(ValueError, match=r"set paths.data=.*; the download failed: .*404") as error:
            StandardSource(name="mnist", folder=str(tmp_path / "other"), download=True).prepare()
        server.shutdown()
    assert np.array_equal(source.read("train").images[:, 0].numpy(), arrays["train"][0])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "minst"}, "did you mean mnist"),
        ({"name": "mnist", "download": "yes"}, "download must be true or false"),
    ],
)
def test_settings_are_checked(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        StandardSource(folder="x", **options)
