"""Decision regions: the picture itself, read back, of nets whose boundary is known."""

import shutil

import numpy as np
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from hardlight.reporting.figures import COLOURS
from hardlight.reporting.regions import Panel, decision_regions
from hardlight.verbs.regions import draw_regions


def test_a_vertical_boundary_is_drawn_where_it_is(tmp_path):
    """Right of 0.25 it is class 1: a quarter of the square in the first colour, the rest in the second."""

    def model(x):
        lead = 1000 * (x.flatten(1)[:, :1] - 0.25)
        return torch.cat([-lead, lead], 1)

    nothing = torch.zeros(0, 1, 1, 2), torch.zeros(0, dtype=torch.int64)
    path = decision_regions({"steep": Panel(model, *nothing)}, tmp_path / "regions.png")
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3) / 255
    count = []
    for colour in COLOURS[:2]:
        paint = 1 - 0.6 * (1 - np.array(to_rgb(colour)))
        count.append((np.abs(pixels - paint).max(1) < 0.02).sum())
    assert abs(count[0] / sum(count) - 0.25) < 0.02


def test_every_run_of_the_plane_gets_a_picture_and_images_get_none(hardlight):
    points = hardlight("train", "data=moons", "model=mlp", "debug=fast")
    assert (points / "figures" / "regions.png").is_file()
    stopped = shutil.copytree(points, points.with_name("stopped"))
    (stopped / "records.csv").unlink()
    draw_regions(points.parent)  # as of a sweep
    assert (points.parent / "figures" / "regions.png").is_file()
    images = hardlight("train", "debug=fast")
    assert not (images / "figures" / "regions.png").exists()
