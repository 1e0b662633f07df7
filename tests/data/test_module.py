"""The data module in real fits: parts, checks, augmentation in training alone, and a bit-equal resume."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from torch.nn.functional import cross_entropy

from hardlight.data import CropAndFlip, DataModule, ImageSet, NpzSource, split
from hardlight.defenses import Defense, DefenseStack, GaussianAugmentation

CONF = Path(__file__).parents[2] / "conf" / "data"
NOISE = DefenseStack((GaussianAugmentation(sigma=0.2, copies=2),))


@dataclass
class Small:
    """40 training and 12 test images (1, 2, 2) whose bytes name them."""

    classes: int = 4
    reads: int = 0

    def prepare(self):
        pass

    def read(self, part):
        self.reads += 1
        n = 40 if part == "train" else 12
        images = torch.arange(4 * n, dtype=torch.uint8).reshape(n, 1, 2, 2)
        return ImageSet(images, torch.arange(n) % self.classes, torch.arange(n), f"the small {part} split")


class Net(pl.LightningModule):
    """Dropout and a dense layer; keeps what it was shown."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(4, 4))
        self.seen = {"train": [], "val": [], "test": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch)
        return cross_entropy(self.net(batch.x), batch.y)

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(batch)
        torch.rand(3)  # draws in between must not move the training

    def test_step(self, batch, batch_idx):
        self.seen["test"].append(batch)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.1)


def trainer(**options):
    options = {"max_epochs": 2, "enable_checkpointing": False, "num_sanity_val_steps": 0} | options
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )


def module(source=None, **options):
    options = {"batch_size": 5, "eval_batch_size": 3, "validation": 0.25, "seed": 7} | options
    return DataModule(source or Small(), (1, 2, 2), 4, **options)


def test_a_fit_and_a_test_see_each_part_as_they_should():
    source = Small()
    net, data = Net(), module(source, defenses=NOISE)
    fit = trainer()
    fit.fit(net, datamodule=data)
    fit.test(net, datamodule=data, verbose=False)
    assert source.reads == 2
    assert data.sizes == {"test": 12, "validation": 8, "train": 32}

    kept, held_out = split(source.read("train").labels, 0.25, 7)
    for epoch in (net.seen["train"][:7], net.seen["train"][7:]):
        assert sorted(torch.cat([batch.index for batch in epoch]).tolist()) == kept.tolist()
    for batch in net.seen["train"]:
        clean = source.read("train").select(batch.index)
        assert torch.equal(batch.x[: len(clean)], clean.images / 255)
        assert len(batch.x) == len(batch.y) == 3 * len(clean)
        assert torch.equal(batch.y, clean.labels.repeat(3))
    assert torch.cat([batch.index for batch in net.seen["val"][:3]]).tolist() == held_out.tolist()
    for part, name in (("val", "train"), ("test", "test")):
        for batch in net.seen[part]:
            assert torch.equal(batch.x, source.read(name).select(batch.index).images / 255)
    assert torch.cat([batch.index for batch in net.seen["test"]]).tolist() == list(range(12))


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_runs_repeat_and_seeds_differ():
    runs = []
    for seed in (1, 1, 2):
        net = Net()
        torch.manual_seed(len(runs))
        trainer().fit(net, datamodule=module(seed=seed, defenses=NOISE))
        runs.append(net)
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(weights(runs[0]), weights(runs[2]))
    noise = torch.stack([batch.x[5] - batch.x[0] for batch in runs[0].seen["train"] if len(batch.index) == 5])
    assert len(noise.flatten(1).unique(dim=0)) == len(noise)  # no step draws another's numbers


def test_ranks_take_other_images_and_draw_other_noise():
    batches = []
    for rank in (0, 1):
        data = module(defenses=NOISE)
        data.setup("fit")
        strategy = SimpleNamespace(root_device=torch.device("cpu"))
        data.trainer = SimpleNamespace(training=True, global_rank=rank, world_size=2, strategy=strategy)
        batches.append(data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0))
    first, second = batches
    assert set(first.index.tolist()).isdisjoint(second.index.tolist())
    assert (first.x[5:] - first.x[:5].repeat(2, 1, 1, 1) - second.x[5:] + second.x[:5].repeat(2, 1, 1, 1)).std() > 0.1


def test_training_batches_alone_are_cropped_and_flipped_before_the_defenses_see_them():
    source, seen = Small(), []

    class Watch(Defense):
        def augment(self, x, y):
            seen.append(x)
            return x, y

    net = Net()
    data = module(source, augmentation=CropAndFlip(crop=1, flip=True), defenses=DefenseStack((Watch(),)))
    fit = trainer(max_epochs=1)
    fit.fit(net, datamodule=data)
    fit.test(net, datamodule=data, verbose=False)
    changed = 0
    for batch, shown in zip(net.seen["train"], seen, strict=True):
        assert batch.x is shown
        clean = source.read("train").select(batch.index).images
        own = [set(image.flatten().tolist()) | {0} for image in clean]
        assert all(set((x * 255).round().flatten().tolist()) <= pixels for x, pixels in zip(shown, own, strict=True))
        changed += sum(not torch.equal(x, image / 255) for x, image in zip(shown, clean, strict=True))
    assert 24 < changed <= 32
    for part, name in (("val", "train"), ("test", "test")):
        for batch in net.seen[part]:
            assert torch.equal(batch.x, source.read(name).select(batch.index).images / 255)


class SaveAfter(pl.Callback):
    """A checkpoint in the middle of an epoch, or after a validation."""

    def __init__(self, path, step, hook):
        self.path, self.step, self.hook = path, step, hook

    def on_train_batch_end(self, trainer, *_):
        if self.hook == "batch" and trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)

    def on_validation_end(self, trainer, _):
        if self.hook == "validation" and trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


# An epoch has 7 batches: in mid-epoch, at its very end, after its validation.
@pytest.mark.parametrize(("step", "hook"), [(3, "batch"), (10, "batch"), (7, "batch"), (7, "validation")])
def test_a_resumed_fit_ends_bit_equal(tmp_path, step, hook):
    path = tmp_path / "at.ckpt"
    whole = Net()
    options = {"augmentation": CropAndFlip(crop=1, flip=True), "defenses": NOISE}
    trainer(max_epochs=3, callbacks=[SaveAfter(path, step, hook)]).fit(whole, datamodule=module(**options))
    resumed = Net()
    torch.manual_seed(99)
    trainer(max_epochs=3).fit(resumed, datamodule=module(**options), ckpt_path=path, weights_only=True)
    assert len(resumed.seen["train"]) == 21 - step
    for ours, theirs in zip(resumed.seen["train"], whole.seen["train"][step:], strict=True):
        assert torch.equal(ours.x, theirs.x)
    assert torch.equal(weights(resumed), weights(whole))


class Twice(Defense):
    """Every image once more, inverted."""

    def extend(self, x, y):
        return torch.cat([x, 1 - x]), torch.cat([y, y])


def test_a_static_defense_extends_the_training_part_once():
    data = module(defenses=DefenseStack((Twice(),)))
    data.setup("fit")
    data.setup("test")
    assert data.sizes == {"test": 12, "validation": 8, "train": 64}
    batches = list(data.train_dataloader())
    assert sum(len(batch.x) for batch in batches) == 64
    assert sorted(torch.cat([batch.index for batch in batches]).tolist()) == list(range(64))
    mean = torch.cat([batch.x for batch in batches]).mean()
    torch.testing.assert_close(mean, torch.tensor(0.5))


def test_n_test_takes_the_first_and_testing_reads_no_training_data():
    source = Small()
    data = module(source, n_test=5)
    data.setup("test")
    assert source.reads == 1
    assert data.sizes == {"test": 5}
    assert data.test_index.tolist() == [0, 1, 2, 3, 4]
    assert torch.cat([batch.index for batch in data.test_dataloader()]).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("source", "shape", "sentence"),
    [
        (Small(), (3, 2, 2), r"shape is \(3, 2, 2\), but the small test split holds images of shape \(1, 2, 2\)"),
        (Small(classes=6), (1, 2, 2), "labels must be from 0 to 3, but the small test split holds a label 5"),
    ],
)
def test_data_that_does_not_fit_is_told_in_setup(source, shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        DataModule(source, shape, 4).setup("fit")


def test_a_class_without_training_images_is_told():
    data = DataModule(Small(classes=3), (1, 2, 2), 4)
    with pytest.raises(
        ValueError, match=r"the small train split must hold images of all 4 classes, .* none of class 3"
    ):
        data.setup("fit")
    DataModule(Small(classes=3), (1, 2, 2), 4).setup("test")


@pytest.mark.parametrize(
    ("n_test", "missing"),
    [(None, []), (12, []), (9, []), (8, [2]), (5, [1, 2]), (3, [1, 2]), (2, [])],
)
def test_classes_that_the_first_test_images_lack(n_test, missing):
    """Of three classes in a row, 5, 3 and 4 images; with room for fewer than three there is nothing to tell."""

    class Sorted(Small):
        def read(self, part):
            return replace(super().read(part), labels=torch.tensor([0] * 5 + [1] * 3 + [2] * 4))

    data = module(Sorted(), n_test=n_test)
    data.setup("test")
    assert data.missing_classes == missing


def test_a_negative_label_is_told(tmp_path):
    for part in ("train", "test"):
        np.savez(tmp_path / part, images=np.zeros((2, 2, 2), np.uint8), labels=np.array([0, -1]))
    source = NpzSource(train=str(tmp_path / "train.npz"), test=str(tmp_path / "test.npz"))
    with pytest.raises(ValueError, match=r"test.npz holds a label -1"):
        DataModule(source, (1, 2, 2), 4).setup("fit")


def test_a_validation_part_without_images_is_told():
    data = DataModule(Small(classes=40), (1, 2, 2), 40)
    with pytest.raises(ValueError, match="the small train split must hold two images of one class"):
        data.setup("fit")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("batch_size", 0),
        ("eval_batch_size", 1.5),
        ("validation", 0),
        ("validation", 1),
        ("seed", -1),
        ("n_test", 0),
    ],
)
def test_settings_are_checked(option, value):
    with pytest.raises(ValueError, match=f"{option} must be"):
        module(**{option: value})


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_shipped_data_conf_makes_a_source(name, tmp_path):
    conf = OmegaConf.create({"paths": {"data": str(tmp_path)}, "data": OmegaConf.load(CONF / f"{name}.yaml")})
    if name == "npz":
        conf.data.source.update(train=str(tmp_path / "a.npz"), test=str(tmp_path / "a.npz"))
        np.savez(tmp_path / "a", images=np.zeros((3, 2, 2), np.uint8), labels=np.arange(3))
    if name == "image_folder":
        conf.data.source.update(train=str(tmp_path), test=str(tmp_path))
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        conf.data.num_classes = 2
    source = instantiate(conf.data.source, _convert_="all")
    source.check()
    described = source.describe()
    assert name == "npz" or described == (tuple(conf.data.shape), conf.data.num_classes)
    assert set(conf.data.eval_eps) == {"linf", "l2", "l1", "l0"}
    if conf.data.shape is not None:
        DataModule(source, conf.data.shape, conf.data.num_classes, conf.data.batch_size, conf.data.eval_batch_size)
