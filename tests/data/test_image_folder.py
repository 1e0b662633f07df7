"""Folders of images: exact pixels, the order, whole or streamed the same, and every way a folder can be wrong."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy

from hardlight.cli import main
from hardlight.data import BatchLoader, DataModule, ImageFileError, ImageFolderSource
from hardlight.defenses import Defense, DefenseStack, GaussianAugmentation
from hardlight.errors import UserError

RNG = np.random.default_rng(0)


def pixels(height=4, width=4, *channels):
    return RNG.integers(0, 256, (height, width, *(channels or (3,))), dtype=np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return array


def source(folder, **settings):
    parts = {"train": str(folder / "train"), "test": str(folder / "test")}
    return ImageFolderSource(**parts | {"size": 4, "memory": 100, "workers": 0} | settings)


@pytest.fixture
def folder(tmp_path):
    """23 images of three classes to train, 9 to test, of many sizes."""
    for part, n in (("train", 23), ("test", 9)):
        for i in range(n):
            save(tmp_path / part / "abc"[i % 3] / f"{i:02}.png", pixels(4 + i % 5, 4 + i % 3))
    return tmp_path


@pytest.mark.parametrize("memory", [100, 0])
def test_pixels_labels_and_order(tmp_path, memory):
    """Images of the right height: nothing is resized, the middle columns remain."""
    train = tmp_path / "train"
    a0 = save(train / "a" / "0.png", pixels(4, 6))
    a2 = save(train / "a" / "deep" / "er" / "2.BMP", pixels(4, 4))
    a1 = save(train / "a" / "1.webp", np.full((9, 7, 3), 40, np.uint8))
    b0 = save(train / "b" / "0.png", pixels(8, 4))
    gray = save(train / "c" / "gray.png", pixels(4, 4)[..., 0])
    (train / "a" / "notes.txt").write_text("no image")
    (train / "a" / ".DS_Store").write_bytes(b"")
    (train / "labels.csv").write_text("no class")
    save(tmp_path / "test" / "a" / "0.png", pixels())
    for name in "bc":
        (tmp_path / "test" / name).mkdir()
    made = source(tmp_path, memory=memory)
    made.check()
    assert made.describe() == ((3, 4, 4), 3)
    read = made.read("train")
    assert len(read) == 5
    assert read.shape == (3, 4, 4)
    assert read.nbytes >= 5 * 48
    assert read.labels.tolist() == [0, 1, 2, 0, 0]  # the classes take turns
    assert read.index.tolist() == [0, 1, 2, 3, 4]
    (images,) = read.pixels([torch.arange(5)])
    expected = [a0[:, 1:5], b0[2:6], np.stack([gray] * 3, axis=-1), np.full((4, 4, 3), 40), a2]
    assert images.dtype == torch.uint8
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), np.stack(expected))
    assert a1.shape == (9, 7, 3)


def test_a_larger_image_is_shrunk_by_averaging(tmp_path):
    """Stripes finer than what is left of them become their mean: no pixel is skipped."""
    stripes = np.tile(np.array([[[0], [200]]], np.uint8), (64, 32, 3))
    for part in ("train", "test"):
        for name in "ab":
            save(tmp_path / part / name / "0.png", stripes)
    image = source(tmp_path).read("train").images[0].float()
    assert (image - 100).abs().max() <= 8


def test_a_large_set_is_read_whole_by_several_processes(folder):
    files = source(folder, memory=0, workers=2).read("train").images
    many = files[torch.arange(23).repeat(50)]
    assert len(many) == 1150
    assert torch.equal(many.whole(), files.whole().repeat(50, 1, 1, 1))


def loaders(made, **options):
    options = {"shuffle": True, "seed": 3} | options
    return [BatchLoader(made.read("train"), 4, rank=rank, world_size=2, **options) for rank in range(2)]


@pytest.mark.parametrize("shuffle", [True, False])
def test_whole_and_streamed_give_the_same_batches(folder, shuffle):
    whole, streamed = (
        loaders(source(folder, memory=memory, workers=workers), shuffle=shuffle) for memory, workers in ((1, 0), (0, 2))
    )
    assert isinstance(whole[0].data.images, torch.Tensor)
    assert not isinstance(streamed[0].data.images, torch.Tensor)
    for epoch in (0, 1):
        for one, other in zip(whole, streamed, strict=True):
            one.set_epoch(epoch)
            other.sampler.set_epoch(epoch)
            assert len(one) == len(other) > 2
            for number, (ours, theirs) in enumerate(zip(one, other, strict=True)):
                assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
                assert ours.x.dtype == torch.float32
                assert one.position == other.position == (epoch, number)


def test_a_streamed_pass_resumes_where_it_stood_not_where_its_workers_are(folder):
    def loader():
        made = BatchLoader(source(folder, memory=0, workers=1).read("train"), 4, shuffle=True, seed=5)
        made.set_epoch(1)
        return made

    first = loader()
    whole = list(first)
    batches = iter(first)
    next(batches)
    next(batches)
    state = first.state_dict()
    assert state == {"epoch": 1, "done": 2, "batches": 6}
    resumed = loader()
    resumed.load_state_dict(state)
    rest = list(resumed)
    assert len(rest) == 4
    for ours, theirs in zip(rest, whole[2:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_streaming_draws_nothing_from_the_global_generator(folder):
    loader = BatchLoader(source(folder, memory=0).read("train"), 4, shuffle=True)
    state = torch.get_rng_state()
    list(loader)
    assert torch.equal(torch.get_rng_state(), state)


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))

    def training_step(self, batch, _):
        return cross_entropy(self.net(batch.x), batch.y)

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("settings", [{"memory": 0}, {"memory": 0, "workers": 1}])
def test_a_streamed_fit_ends_with_the_weights_of_one_from_memory(folder, settings):
    nets = []
    for each in ({}, settings):
        net = Net()
        data = DataModule(
            source(folder, **each),
            (3, 4, 4),
            3,
            batch_size=5,
            defenses=DefenseStack((GaussianAugmentation(sigma=0.1, copies=1),)),
        )
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        pl.Trainer(
            accelerator="cpu", max_epochs=2, enable_checkpointing=False, use_distributed_sampler=False, **quiet
        ).fit(net, datamodule=data)
        nets.append(net.net[1].weight.detach())
    assert torch.equal(*nets)
    assert not torch.equal(nets[0], Net().net[1].weight)


class Twice(Defense):
    def extend(self, x, y):
        return torch.cat([x, x]), torch.cat([y, y])


def test_a_static_defense_needs_the_set_in_memory(folder):
    stack = DefenseStack((Twice(),))
    DataModule(source(folder), (3, 4, 4), 3, defenses=stack).setup("fit")
    with pytest.raises(
        ValueError, match=r"train is read from its files .* by a defense or metric: raise source.memory"
    ) as error:
        DataModule(source(folder, memory=0), (3, 4, 4), 3, defenses=stack).setup("fit")
    assert "\n" not in str(error.value)


def broken(path, how):
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "html": b"<html>404</html>"}[how])


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("how", ["truncated", "empty", "html"])
def test_a_file_that_is_no_image_is_named(folder, how, workers):
    path = folder / "train" / "b" / "04.png"
    save(path, pixels(40, 40))
    broken(path, how)
    with pytest.raises(ValueError, match=f"^{path} cannot be read as an image: ") as error:
        source(folder, workers=workers).read("train")
    assert "\n" not in str(error.value)
    streamed = source(folder, memory=0, workers=workers).read("train")
    with pytest.raises(ImageFileError, match=f"^{path} cannot be read as an image: ") as error:
        list(BatchLoader(streamed, 4, shuffle=False))
    assert "\n" not in str(error.value)
    assert isinstance(error.value, UserError)


def test_deep_pixels_are_refused_rather_than_cut_to_white(folder):
    path = folder / "train" / "a" / "00.png"
    save(path, (pixels()[..., 0].astype(np.uint16) * 200))
    with pytest.raises(ValueError, match=r"00.png cannot be read as an image: its pixels are not bytes, .* mode I"):
        source(folder).read("train")


def test_a_file_that_vanishes_in_mid_training_is_named(folder):
    streamed = source(folder, memory=0).read("test")
    path = folder / "test" / "c" / "08.png"
    path.unlink()
    with pytest.raises(UserError, match=f"^{path} cannot be read as an image: .*No such file"):
        list(BatchLoader(streamed, 4, shuffle=False))


def no_folder(folder):
    (folder / "train").rename(folder / "other")
    return f"there is no folder {folder / 'train'}"


def no_classes(folder):
    for each in (folder / "test").iterdir():
        each.rename(folder / each.name)
    return f"{folder / 'test'} must hold a folder of images for every class, it has no folder"


def one_class(folder):
    for part in ("train", "test"):
        for name in "bc":
            (folder / part / name).rename(folder / f"{part}-{name}")
    return f"{folder / 'train'} must hold folders of two classes at least, it has a alone"


def other_classes(folder):
    (folder / "test" / "b").rename(folder / "test" / "d")
    return f"{folder / 'train'} has a folder of a class b, but {folder / 'test'} has none"


def one_more_class(folder):
    (folder / "test" / "d").mkdir()
    return f"{folder / 'test'} has a folder of a class d, but {folder / 'train'} has none"


def an_empty_class(folder):
    for file in (folder / "test" / "b").iterdir():
        file.rename(file.with_suffix(".txt"))
    return f"{folder / 'test' / 'b'} must hold images, it has none that end in .jpg, .png or the like"


def a_broken_image(folder):
    path = folder / "test" / "b" / "01.png"
    broken(path, "html")
    return f"{path} cannot be read as an image: cannot identify image file '{path}'"


@pytest.mark.parametrize(
    "fault", [no_folder, no_classes, one_class, other_classes, one_more_class, an_empty_class, a_broken_image]
)
def test_faults_are_told_in_a_sentence_before_anything_is_trained(folder, empty_folder, capsys, fault):
    sentence = fault(folder)
    argv = ["train", "data=image_folder", f"data.source.train={folder / 'train'}"]
    assert main([*argv, f"data.source.test={folder / 'test'}", "data.source.workers=0", "data.size=28"]) == 2
    assert capsys.readouterr().err == f"hardlight: data: {sentence}\n"
    assert not list(empty_folder.rglob("best.ckpt"))


@pytest.mark.parametrize(
    ("setting", "value"), [("size", 0), ("memory", -1), ("workers", 1.5), ("train", 3), ("test", "")]
)
def test_settings_are_checked(tmp_path, setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be"):
        source(tmp_path, **{setting: value})


def test_the_whole_program_on_streamed_images(folder, hardlight):
    """Crops and flips included; the checkpoint brings its data along."""
    data = [f"data.source.{part}={folder / part}" for part in ("train", "test")]
    data += ["data=image_folder", "data.source.memory=0", "data.source.workers=1", "data.size=28"]
    quick = ["attack=[fgsm]", "trainer.max_epochs=1", "evaluation.gallery=2"]
    run = hardlight("train", *data, *quick, "data.crop=2", "data.flip=true")
    again = hardlight("evaluate", f"ckpt={run / 'best.ckpt'}", "attack=[fgsm]")
    for each in (run, again):
        assert "fgsm" in (each / "records.csv").read_text()
