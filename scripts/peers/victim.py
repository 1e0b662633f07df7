"""The net that every library attacks, and the images."""

import subprocess
import sys
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, nn

import hardlight
from hardlight.data import ShippedSample, StandardSource

STEPS = {"mnist": 1000, "mnist_sample": 150}


def source(data: Path, quick: bool, console: Console) -> ShippedSample | StandardSource:
    """MNIST from the folder ``data``; the shipped sample of it where that is not there, or it shall be quick."""
    mnist = StandardSource(name="mnist", folder=str(data))
    if not quick:
        try:
            mnist.check()
            return mnist
        except ValueError as error:
            console.print(f"with the shipped sample of MNIST, as {error}", markup=False, highlight=False)
    return ShippedSample(name="mnist")


def net(ckpt: Path | None, images: ShippedSample | StandardSource, device: str, console: Console) -> nn.Module:
    """The checkpoint ``ckpt``, or else the paper's CNN trained for this once, and kept."""
    if ckpt is None:
        data = "mnist" if isinstance(images, StandardSource) else "mnist_sample"
        folder = Path("outputs", "bench_attacks", data)
        ckpt = folder / "best.ckpt"
        if not ckpt.is_file():
            console.print(f"training the paper's CNN on {data} for {STEPS[data]} steps, once", highlight=False)
            overrides = [f"data={data}", "model=cnn", "attack=[]", f"trainer.max_steps={STEPS[data]}"]
            overrides += ["trainer.max_epochs=-1", f"hydra.run.dir={folder}"]
            if isinstance(images, StandardSource):
                overrides.append(f"paths.data={images.folder}")
            subprocess.run([sys.executable, "-m", "hardlight", "train", *overrides], check=True, capture_output=True)
    return hardlight.load(ckpt).to(device).requires_grad_(False)


def recognised(model: nn.Module, images: ShippedSample | StandardSource, n: int, device: str) -> tuple[Tensor, Tensor]:
    """The first ``n`` test images that the net gets right, and their labels."""
    test = images.read("test")
    x, y = (test.images[: 2 * n].float() / 255).to(device), test.labels[: 2 * n].to(device)
    with torch.no_grad():
        right = torch.cat([model(part) for part in x.split(128)]).argmax(1) == y
    return x[right][:n], y[right][:n]
