"""Data files that are damaged or hold what they should not: always one sentence, before anything is trained."""

import gzip
import io
import struct
from itertools import count

import numpy as np
import pytest
from PIL import Image

from hardlight.cli import main
from hardlight.data import DataModule, ImageFolderSource, NpzSource, StandardSource

RNG = np.random.default_rng(0)
LABELS = np.arange(20) % 4
PIXELS = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)


def idx(array, kind=8):
    """LeCun's IDX format; ``kind`` 8 is unsigned bytes, 11 shorts, 12 ints, 13 floats, 14 doubles."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


def mnist(folder):
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, n in (("train", 20), ("t10k", 10)):
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8)))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx((np.arange(n) % 10).astype(np.uint8)))
    return raw


def told(source, shape=(1, 28, 28), num_classes=10):
    """The sentence in which a fit's data is refused; an empty one if it is not."""
    try:
        source.check()
        DataModule(source, shape, num_classes).setup("fit")
    except ValueError as error:
        sentence = str(error)
    else:
        return ""
    assert "\n" not in sentence
    return sentence


UNREADABLE = r"mnist's train split in {folder} cannot be read \(.+\): remove {folder}/MNIST/raw, and with data.source"
TEN = np.arange(20).astype(np.uint8) % 10
IDX_FAULTS = {
    "cut off": ("images", lambda whole: whole[:5000], UNREADABLE),
    "cut off in the header": ("images", lambda whole: whole[:6], UNREADABLE),
    "empty": ("images", lambda _: b"", UNREADABLE),
    "a page of the web": ("images", lambda _: b"<html>not here</html>", UNREADABLE),
    "still packed": ("images", gzip.compress, UNREADABLE),
    "too long": ("images", lambda whole: whole + b"more", UNREADABLE),
    "of ints": ("images", lambda _: idx(np.zeros((20, 28, 28), ">i4"), 12), UNREADABLE),
    "of doubles": ("images", lambda _: idx(np.zeros((20, 28, 28), ">f8"), 14), UNREADABLE),
    "flat": ("images", lambda _: idx(np.zeros((20, 784), np.uint8)), UNREADABLE),
    "of another size": (
        "images",
        lambda _: idx(np.zeros((20, 32, 32), np.uint8)),
        r"shape is \(1, 28, 28\), but mnist",
    ),
    "without images": ("images", lambda _: idx(np.zeros((0, 28, 28), np.uint8)), UNREADABLE),
    "labels cut off": ("labels", lambda whole: whole[:-3], UNREADABLE),
    "labels of floats": ("labels", lambda _: idx(np.zeros(20, ">f4"), 13), UNREADABLE),
    "labels of two columns": ("labels", lambda _: idx(np.zeros((20, 2), np.uint8)), UNREADABLE),
    "fewer labels": ("labels", lambda _: idx(TEN[:4]), "mnist's train split in .* holds 20 images, but 4 labels"),
    "a label too high": ("labels", lambda _: idx(TEN + 3), "labels must be from 0 to 9, but mnist.* a label 12"),
    "one class": ("labels", lambda _: idx(TEN * 0), "images of all 10 classes, it has none of class 1"),
    "a class missing": ("labels", lambda _: idx(TEN % 7), "images of all 10 classes, it has none of class 7"),
}


@pytest.mark.parametrize("fault", IDX_FAULTS)
def test_idx_files(tmp_path, fault):
    which, change, sentence = IDX_FAULTS[fault]
    raw = mnist(tmp_path)
    source = StandardSource(name="mnist", folder=str(tmp_path))
    assert told(source) == ""
    file = raw / f"train-{which}-idx{3 if which == 'images' else 1}-ubyte"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ValueError, match=sentence.format(folder=tmp_path)):
        raise ValueError(told(source))


def packed(compressed, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def as_npz(folder, content):
    for part in ("train", "test"):
        (folder / f"{part}.npz").write_bytes(content)
    return NpzSource(train=str(folder / "train.npz"), test=str(folder / "test.npz"))


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_files_cut_off_or_with_a_byte_bent_anywhere(tmp_path, compressed):
    small = RNG.integers(0, 256, (20, 4, 4), dtype=np.uint8)
    whole = packed(compressed, images=small, labels=LABELS)
    refused = 0
    for place in range(0, len(whole), 5):
        bent = bytearray(whole)
        bent[place] ^= 255
        for content in (bytes(bent), whole[:place]):
            refused += "train.npz" in told(as_npz(tmp_path, content), (1, 4, 4), 4).replace("test.npz", "train.npz")
    assert refused > 0.8 * 2 * len(range(0, len(whole), 5))  # the rest are bytes that nothing reads, such as dates
    assert told(as_npz(tmp_path, whole), (1, 4, 4), 4) == ""


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_image_files_cut_off_or_with_a_byte_bent_anywhere(tmp_path, form):
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(file, form)
    whole = file.getvalue()
    for part, name in ((part, name) for part in ("train", "test") for name in "ab"):
        (tmp_path / part / name).mkdir(parents=True)
        for i in range(2):
            (tmp_path / part / name / f"{i}.{form}").write_bytes(whole)
    source = ImageFolderSource(train=str(tmp_path / "train"), test=str(tmp_path / "test"), size=8, memory=10, workers=0)
    assert told(source, (3, 8, 8), 2) == ""
    path = tmp_path / "train" / "b" / f"1.{form}"
    refusal = f"{path} cannot be read as an image: "
    for place in range(0, len(whole), max(len(whole) // 20, 1)):
        bent = bytearray(whole)
        bent[place] ^= 255
        path.write_bytes(bytes(bent))
        said = told(source, (3, 8, 8), 2)
        assert said == "" or said.startswith(refusal)  # a bent pixel is a pixel
        path.write_bytes(whole[:place])
        said = told(source, (3, 8, 8), 2)
        assert said.startswith(refusal) or (place > 0.9 * len(whole) and same_pixels(path, whole))


def same_pixels(path, whole):
    """As where only the mark of the end was cut off."""
    with Image.open(path) as image, Image.open(io.BytesIO(whole)) as other:
        return np.array_equal(np.asarray(image), np.asarray(other))


class Trap:
    unpickled = count()

    def __reduce__(self):
        return next, (Trap.unpickled,)


def one_nan():
    images = PIXELS / 255
    images[3, 4, 5] = np.nan
    return images


NPZ_FAULTS = {
    "cut off": (packed(True, images=PIXELS, labels=LABELS)[:900], "train.npz is not a readable npz file: "),
    "pickled": ({"images": np.array([Trap()] * 20), "labels": LABELS}, "images in .* must be uint8 or float .* object"),
    "pickled labels": ({"images": PIXELS, "labels": np.array([Trap()] * 20)}, "must be whole numbers, got object"),
    "NaN": ({"images": one_nan(), "labels": LABELS}, r"must be uint8 or in \[0, 1\], got NaN"),
    "not scaled": (
        {"images": PIXELS * 1.0, "labels": LABELS},
        r"must be uint8 or in \[0, 1\], got floats from 0 to 255",
    ),
    "ints": ({"images": PIXELS.astype(int), "labels": LABELS}, "must be uint8 or float .*, got int64"),
    "a negative label": ({"images": PIXELS, "labels": LABELS - 1}, "labels must be from 0 to 2, but .* a label -1"),
    "one class": ({"images": PIXELS, "labels": LABELS * 0}, "the highest label is 0: labels must count two or more"),
    "counted from one": ({"images": PIXELS, "labels": LABELS + 1}, "of all 5 classes, it has none of class 0"),
    "a wild label": (
        {"images": PIXELS, "labels": LABELS * 10**9},
        "holds 20 images, and the highest label is 3000000000",
    ),
    "fewer labels": ({"images": PIXELS, "labels": LABELS[:7]}, r"holds 20 images, but labels of shape \(7,\)"),
}


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_the_program_tells_it_in_one_line(tmp_path, empty_folder, capsys, fault):
    content, sentence = NPZ_FAULTS[fault]
    as_npz(tmp_path, content if isinstance(content, bytes) else packed(False, **content))
    data = ["data=npz", *(f"data.source.{part}={tmp_path / part}.npz" for part in ("train", "test"))]
    assert main(["train", *data]) == 2
    said = capsys.readouterr().err
    with pytest.raises(ValueError, match=rf"^hardlight: data[:.] ?.*{sentence}.*\n$"):
        raise ValueError(said)
    assert said.count("\n") == 1
    assert not list(empty_folder.rglob("*.ckpt"))
    assert next(Trap.unpickled) == 0
    Trap.unpickled = count()


def test_the_program_tells_of_a_damaged_standard_set(tmp_path, empty_folder, capsys):
    file = mnist(tmp_path) / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:100])
    assert main(["train", "data=mnist", f"paths.data={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"hardlight: data: mnist's test split in {tmp_path} cannot be read (")
    assert said.endswith(f"remove {tmp_path}/MNIST/raw, and with data.source.download=true it will be fetched anew\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("override", ["+data.crop=2", "+data.flip=true", "data.crop=2"])
def test_points_of_the_plane_are_not_cropped_or_flipped(override, empty_folder, capsys):
    model = ["model=python", "model.path=torch.nn:Flatten"]
    assert main(["train", "data=moons", *model, override]) == 2
    said = capsys.readouterr().err
    assert "data.crop" in said or "data.flip" in said
    assert said.count("\n") == 1
