"""The user's arrays: what is read, and every way a file can be wrong."""

import io
import zipfile

import numpy as np
import pytest
import torch

from hardlight.data import NpzSource

LABELS = np.array([0, 3, 1, 2])


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def written(folder, train, test=None):
    for name, arrays in (("train", train), ("test", train if test is None else test)):
        if isinstance(arrays, dict):
            np.savez(folder / f"{name}.npz", **arrays)
        elif arrays is not None:
            (folder / f"{name}.npz").write_bytes(arrays)
    return NpzSource(train=str(folder / "train.npz"), test=str(folder / "test.npz"))


def test_grey_and_colour_bytes(tmp_path):
    images = pixels(4, 5, 6, 3)
    source = written(tmp_path, {"images": images, "labels": LABELS}, {"images": images[:2], "labels": LABELS[:2]})
    source.check()
    assert source.describe() == ((3, 5, 6), 4)
    train, test = source.read("train"), source.read("test")
    assert train.images.dtype == torch.uint8
    assert train.images.shape == (4, 3, 5, 6)
    assert all(train.images[n, c, i, j] == images[n, i, j, c] for n, i, j, c in np.ndindex(images.shape))
    assert train.labels.tolist() == [0, 3, 1, 2]
    assert train.index.tolist() == [0, 1, 2, 3]
    assert len(test) == 2
    grey = written(tmp_path, {"images": images[..., 0], "labels": LABELS.astype(np.uint8)})
    assert grey.describe() == ((1, 5, 6), 4)
    assert torch.equal(grey.read("train").images, train.images[:, :1])
    assert grey.read("train").labels.dtype == torch.int64


def test_many_channels(tmp_path):
    source = written(tmp_path, {"images": pixels(4, 5, 6, 8), "labels": LABELS})
    assert source.describe() == ((8, 5, 6), 4)
    assert source.read("train").shape == (8, 5, 6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats(tmp_path, dtype):
    images = (pixels(4, 5, 6) / 255).astype(dtype)
    read = written(tmp_path, {"images": images, "labels": LABELS}).read("train")
    assert read.images.dtype == torch.float32
    assert np.array_equal(read.images[:, 0].numpy(), images.astype(np.float32))


class Trap:
    def __reduce__(self):
        return print, ("unpickled",)


def with_nan():
    images = pixels(4, 5, 6) / 255
    images[1, 2, 3] = np.nan
    return images


GOOD = {"images": pixels(4, 5, 6), "labels": LABELS}

# What is seen from the headers, before anything is read.
FAULTS = [
    (None, "there is no file .*train.npz"),
    (b"not a zip file", "train.npz is not a readable npz file"),
    (b"", "train.npz is not a readable npz file"),
    ({"images": pixels(4, 5, 6)}, "it has no labels"),
    ({"x": pixels(4, 5, 6), "y": LABELS}, "it has no images and no labels"),
    ({"images": np.array([Trap()] * 4), "labels": LABELS}, "images in .* must be uint8 or float .* got object"),
    ({"images": pixels(4, 5, 6), "labels": np.array([Trap()] * 4)}, "labels in .* must be whole numbers, got object"),
    ({"images": pixels(4, 5, 6).astype(np.int64), "labels": LABELS}, "got int64"),
    ({"images": pixels(4, 5, 6), "labels": LABELS / 1.0}, "labels in .* must be whole numbers, got float64"),
    ({"images": pixels(4, 5, 6), "labels": LABELS[:3]}, r"4 images, but labels of shape \(3,\)"),
    ({"images": pixels(4, 5, 6), "labels": LABELS[:, None]}, r"labels of shape \(4, 1\)"),
    ({"images": pixels(4, 30), "labels": LABELS}, r"must be \(N, H, W\) or \(N, H, W, C\), got \(4, 30\)"),
    ({"images": pixels(0, 5, 6), "labels": LABELS[:0]}, r"got \(0, 5, 6\)"),
    ({"images": pixels(4, 3, 8, 8), "labels": LABELS}, "with the channels last"),
]


@pytest.mark.parametrize(("train", "sentence"), FAULTS)
def test_faults_told_before_reading(tmp_path, capsys, train, sentence):
    source = written(tmp_path, train, GOOD)
    for look in (source.check, source.describe, lambda: source.read("train")):
        with pytest.raises(ValueError, match=sentence) as error:
            look()
        assert "train.npz" in str(error.value)
        assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (with_nan(), "NaN"),
        (pixels(4, 5, 6).astype(float), "floats from 0 to 248"),
        (-np.ones((4, 5, 6)), "floats from -1 to -1"),
        (np.full((4, 5, 6), np.inf), "floats from inf to inf"),
    ],
)
def test_floats_out_of_range(tmp_path, images, found):
    source = written(tmp_path, {"images": images, "labels": LABELS})
    with pytest.raises(ValueError, match=rf"images in .*train.npz must be uint8 or in \[0, 1\], got {found}$"):
        source.read("train")


def test_a_file_that_breaks_off(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, **GOOD)
    with zipfile.ZipFile(io.BytesIO(buffer.getvalue())) as archive:
        start = archive.getinfo("images.npy").header_offset
    bent = bytearray(buffer.getvalue())
    bent[start + 200] ^= 255  # a pixel that no longer fits its checksum
    with pytest.raises(ValueError, match=r"train.npz is not a readable npz file"):
        written(tmp_path, bytes(bent)).read("train")
    with pytest.raises(ValueError, match=r"train.npz is not a readable npz file"):
        written(tmp_path, buffer.getvalue()[:300]).check()


def test_splits_that_do_not_match(tmp_path):
    source = written(tmp_path, GOOD, {"images": pixels(4, 6, 6), "labels": LABELS})
    with pytest.raises(
        ValueError, match=r"test.npz holds images of shape \(1, 6, 6\), but .*train.npz of .*\(1, 5, 6\)"
    ):
        source.check()


@pytest.mark.parametrize(
    "labels", [LABELS * 0, LABELS - 9, LABELS + 1, LABELS * 10**9, LABELS.astype(np.uint64) + 2**63]
)
def test_labels_that_do_not_count_the_classes(tmp_path, labels):
    """They would make a net of as many outputs; where num_classes is given, nothing is counted."""
    source = written(tmp_path, {"images": pixels(4, 5, 6), "labels": labels})
    source.check()
    with pytest.raises(ValueError, match=rf"train.npz holds 4 images, and the highest label is {labels.max()}: labels"):
        source.describe()
