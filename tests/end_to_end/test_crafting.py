"""Training sets extended before the training: crafted on a checkpoint, once a run, and found again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from finished_run import Run
from omegaconf import DictConfig, OmegaConf
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hardlight import UserError, load
from hardlight.attacks import FGSM
from hardlight.build import crafting
from hardlight.build.data import datamodule, describe_data
from hardlight.build.model import defense_stack
from hardlight.cli import main
from hardlight.data import split
from hardlight.defenses import StaticVirtualAdversarialTraining

QUICK = ["trainer.max_epochs=1", "data.batch_size=18", "attack=[fgsm]", "evaluation.n=4", "evaluation.gallery=0"]


def training_part(npz: dict[str, list[str]], seed: int = 0) -> tuple[Tensor, Tensor]:
    """36 of the 40 gray images, as trained on without a static defense."""
    with np.load(npz["gray"][1].partition("=")[2]) as file:
        x, y = torch.from_numpy(file["images"])[:, None] / 255, torch.from_numpy(file["labels"])
    kept, _ = split(y, 0.1, seed)
    return x[kept], y[kept]


@pytest.fixture
def source(trained: Run, tmp_path: Path) -> Path:
    """A copy of the trained checkpoint, which a test may remove."""
    path = tmp_path / "source.ckpt"
    path.write_bytes((trained.folder / "best.ckpt").read_bytes())
    return path


@pytest.fixture
def cfg(trained: Run, source: Path, tmp_path: Path) -> DictConfig:
    """The trained run's configuration, with ``at_static`` on its own net, in a folder of its own."""
    found = OmegaConf.load(trained.folder / "config.yaml")
    assert isinstance(found, DictConfig)
    found.paths.output = str(tmp_path / "run")
    attack = {"_target_": "hardlight.attacks.FGSM", "eps": 0.1, "norm": "linf", "label": "true", "seed": 0}
    target = "hardlight.defenses.StaticAdversarialTraining"
    found.defense = {"at_static": {"_target_": target, "source": str(source), "attack": attack}}
    return found


def trained_on(cfg: DictConfig) -> tuple[Tensor, Tensor, dict[str, int]]:
    """Images, labels, and the size of each part, as a run of ``cfg`` has them."""
    source = describe_data(cfg)
    data = datamodule(cfg, source, defense_stack(cfg))
    data.setup("fit")
    images = data.train_dataloader().data
    return images.images, images.labels, data.sizes


def kept_in(cfg: DictConfig) -> Path:
    return Path(cfg.paths.output) / "at_static.safetensors"


def test_the_copies_are_the_attacks_on_the_source_and_the_validation_is_clean(
    cfg: DictConfig, source: Path, npz: dict[str, list[str]]
) -> None:
    x, y = training_part(npz)
    images, labels, sizes = trained_on(cfg)
    assert sizes == {"test": 13, "validation": 4, "train": 72}
    torch.testing.assert_close(images, torch.cat([x, FGSM(eps=0.1)(load(source), x, y)]))
    assert torch.equal(labels, torch.cat([y, y]))
    assert torch.equal(images[36:], load_file(kept_in(cfg))["x_adv"])


def marked(cfg: DictConfig) -> Tensor:
    """Crafts, then puts other copies into the run's file as if they had been crafted."""
    trained_on(cfg)
    with safe_open(kept_in(cfg), "pt") as kept:
        made_from, x_adv = kept.metadata(), kept.get_tensor("x_adv")
    x_adv = x_adv.flip(0)
    save_file({"x_adv": x_adv}, kept_in(cfg), metadata=made_from)
    return x_adv


def test_a_run_that_goes_on_finds_its_copies_even_without_the_source(cfg: DictConfig, source: Path) -> None:
    x_adv = marked(cfg)
    for gone in (False, True):
        if gone:
            source.unlink()
        images, _, _ = trained_on(cfg)
        assert torch.equal(images[36:], x_adv)


@pytest.mark.parametrize("change", ["eps", "norm", "source", "data", "file"])
def test_copies_of_other_settings_are_never_used(
    change: str, cfg: DictConfig, source: Path, npz: dict[str, list[str]]
) -> None:
    x_adv, attack = marked(cfg), FGSM(eps=0.1)
    if change == "eps":
        cfg.defense.at_static.attack.eps, attack = 0.2, FGSM(eps=0.2)
    elif change == "norm":
        cfg.defense.at_static.attack.norm, attack = "l2", FGSM(eps=0.1, norm="l2")
    elif change == "source":
        checkpoint = torch.load(source, weights_only=True)
        checkpoint["state_dict"] = {key: value.flip(0) for key, value in checkpoint["state_dict"].items()}
        torch.save(checkpoint, source)
    elif change == "data":
        cfg.seed = 1  # another part is held out
    else:
        kept_in(cfg).write_bytes(b"damaged")
    x, y = training_part(npz, cfg.seed)
    images, _, _ = trained_on(cfg)
    torch.testing.assert_close(images[36:], attack(load(source), x, y))
    assert not torch.equal(images[36:], x_adv)
    assert torch.equal(load_file(kept_in(cfg))["x_adv"], images[36:])


def test_without_its_source_a_run_uses_no_other_copies_either(cfg: DictConfig, source: Path) -> None:
    marked(cfg)
    source.unlink()
    cfg.seed = 1
    with pytest.raises(UserError, match=r"^defense\.at_static\.source: no checkpoint at .*other training data"):
        trained_on(cfg)
    cfg.seed, cfg.defense.at_static.attack.eps = 0, 0.2
    with pytest.raises(UserError, match=r"^defense\.at_static\.source: no checkpoint at"):
        trained_on(cfg)
    cfg.defense.at_static.attack.eps, cfg.defense.at_static.source = 0.1, f"{source}2"
    with pytest.raises(UserError, match=r"^defense\.at_static\.source: no checkpoint at"):
        trained_on(cfg)


def test_a_trained_net_needs_no_source(
    source: Path, npz: dict[str, list[str]], hardlight: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["defense=[gda_static,vat_static]", "defense.gda_static.copies=1", "defense.vat_static.xi=0.5"]
    run = hardlight("train", *npz["gray"], *words, f"defense.vat_static.source={source}", "seed=3", *QUICK)
    assert "vat_static: 72 copies crafted on" in capsys.readouterr().out
    assert "source" not in run.parent.name  # a path would be most of the folder's name
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] == 8  # 144 images in batches of 18

    cfg = OmegaConf.load(run / "config.yaml")
    assert isinstance(cfg, DictConfig)
    images, labels, _ = trained_on(cfg)
    assert "found in" in capsys.readouterr().out
    assert torch.equal(labels, labels[:36].repeat(4))
    assert (images[36:72] - images[:36]).std().item() == pytest.approx(0.05, rel=0.02)
    again = StaticVirtualAdversarialTraining(source=load(source), xi=0.5, seed=3)
    torch.testing.assert_close(images, again.extend(images[:72], labels[:72])[0])

    source.unlink()
    assert load(run / "best.ckpt")(torch.zeros(1, 1, 28, 28)).shape == (1, 4)
    evaluated = hardlight("evaluate", f"ckpt={run / 'best.ckpt'}", "attack=[fgsm]", "evaluation.gallery=0")
    assert set(Run(evaluated).records["defense"]) == {"gda_static+vat_static"}
    assert not list(evaluated.glob("*.safetensors"))


def test_an_unfit_source_is_told_before_anything_is_read_or_written(
    source: Path, npz: dict[str, list[str]], empty_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    checkpoint = torch.load(source, weights_only=True)
    checkpoint["hardlight"]["config"]["defense"] = {
        "ls": {"_target_": "hardlight.defenses.LabelSmoothing", "true_label": 0.9}
    }
    torch.save(checkpoint, tmp_path / "defended.ckpt")
    with np.load(npz["gray"][1].partition("=")[2]) as file:  # told when the labels are read, were they
        np.savez(tmp_path / "unfit.npz", images=file["images"], labels=file["labels"].astype(np.int64) - 1)
    gray, colour = [npz["gray"][0], f"data.source.train={tmp_path / 'unfit.npz'}", npz["gray"][2]], npz["colour"]
    gray.append("data.num_classes=4")
    for data, path, words in (
        (gray, tmp_path / "sourc.ckpt", f"did you mean {source}?"),
        (gray, tmp_path / "text.ckpt", "is no checkpoint, or a damaged one"),
        (colour, source, "was trained for shape [1, 28, 28], data=npz has [3, 32, 32]"),
        (gray, tmp_path / "defended.ckpt", "must be an undefended net, but"),
    ):
        assert main(["train", *data, "defense=[at_static]", f"defense.at_static.source={path}"]) == 2
        told = capsys.readouterr().err
        assert told.startswith("hardlight: defense.at_static.source")
        assert words in told
        assert told.count("\n") == 1
    for words in ([], ["defense.at_static.source=3"]):
        assert main(["train", *gray, "defense=[at_static]", *words]) == 2
        assert "defense.at_static" in capsys.readouterr().err
    assert not any(empty_folder.iterdir())


@pytest.mark.parametrize(
    ("rank", "devices", "its_own"), [(None, 1, 0), (None, [3], 3), ("1", "auto", 1), ("1", [2, 5], 5)]
)
def test_each_process_crafts_on_its_own_gpu(
    rank: str | None, devices: object, its_own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    cfg = OmegaConf.create({"trainer": {"accelerator": "gpu", "devices": devices}})
    assert crafting._device(cfg) == torch.device("cuda", its_own)
