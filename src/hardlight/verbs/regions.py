"""The decision regions of the nets in a folder, for two-dimensional data."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from hardlight.build.checkpoint import restore
from hardlight.build.data import datamodule, describe_data, read_data
from hardlight.defenses import DefenseStack
from hardlight.errors import UserError
from hardlight.evaluation.run_folder import in_order, read_records
from hardlight.evaluation.run_labels import run_labels
from hardlight.reporting.regions import Panel, decision_regions

PLANE = [1, 1, 2]  # (C, H, W) of points


def draw_regions(folder: Path) -> None:
    """``figures/regions.png``, a panel for each finished run in or below ``folder`` that knows points of the plane."""
    names = run_labels(read_records(folder))
    panels = {}
    runs = [(OmegaConf.load(best.parent / "config.yaml"), best) for best in in_order(folder.rglob("best.ckpt"))]
    for cfg, best in sorted(runs, key=lambda run: str(run[0].data.name)):
        run = f"{best.parent.parent.name}/{best.parent.name}"
        if isinstance(cfg, DictConfig) and cfg.data.shape == PLANE and run in names:
            data = datamodule(cfg, describe_data(cfg), DefenseStack())
            read_data(data, "test")
            points = data.test_dataloader().data
            assert isinstance(points.images, Tensor)
            try:
                panels[names[run]] = Panel(restore(best).model, points.images, points.labels)
            except UserError as error:  # code of the user's own, that a checkpoint may not call by itself
                print(f"! its decision regions are not drawn: {error}")
    if panels:
        decision_regions(panels, folder / "figures" / "regions.png")
