"""The metrics of a run, computed again in NumPy from the net and the images alone."""

import numpy as np
import pytest
import torch
from finished_run import Run

import hardlight as package
from hardlight.attacks import FGSM

METRICS = "metric=[empirical_robustness,training_set_distance,loss_sensitivity]"
EPS = [0.05, 0.3]
STEP = 0.025


@pytest.fixture
def run(hardlight, npz):
    return Run(
        hardlight(
            "train",
            *npz["gray"],
            "trainer.max_epochs=2",
            "attack=[minimal_fgsm]",
            f"attack.minimal_fgsm.eps={EPS}",
            f"attack.minimal_fgsm.eps_step={STEP}",
            METRICS,
        )
    )


def test_every_number_is_found_again(run, npz):
    train, test = (np.load(path.partition("=")[2]) for path in npz["gray"][1:])
    x, y = torch.from_numpy(test["images"] / np.float32(255))[:, None], torch.from_numpy(test["labels"])
    model = package.load(run.folder / "best.ckpt")
    distance = np.full(len(x), np.inf)
    found = x.clone()
    with torch.no_grad():
        right = (model(x).argmax(1) == y).numpy()
    distance[~right] = 0
    for k in range(round(1 / STEP), 0, -1):  # from the largest down: the smallest that fools is what is left
        x_adv = FGSM(eps=k * STEP)(model, x, y)
        with torch.no_grad():
            fools = ((model(x_adv).argmax(1) != y).numpy()) & right
        distance[fools] = k * STEP
        found[fools] = x_adv[fools]
    assert np.isfinite(distance).any(), "nothing is broken, so nothing is shown"

    def value(metric, eps, attack="minimal_fgsm"):
        rows = run.records[(run.records["metric"] == metric) & (run.records["eps"] == eps)]
        return rows[rows["attack"] == attack]["value"].item()

    for eps in EPS:
        assert value("robust_accuracy", eps) == pytest.approx((distance > eps + 1e-6).mean())
    pixels, moved = x.flatten(1).double().numpy(), found.flatten(1).double().numpy()
    broken = np.isfinite(distance)
    ratio = np.linalg.norm(moved - pixels, axis=1) / np.linalg.norm(pixels, axis=1)
    assert value("rho[minimal_fgsm]", np.inf) == pytest.approx(ratio[broken].mean(), rel=1e-5)
    assert value("broken[minimal_fgsm]", np.inf) == pytest.approx(broken.mean())
    reference = train["images"].reshape(40, -1) / 255
    away = np.linalg.norm(moved[:, None] - reference[None], axis=2).min(1)
    clean_away = np.linalg.norm(pixels[:, None] - reference[None], axis=2).min(1)
    assert value("training_set_distance", 0, "none") == pytest.approx(clean_away.mean(), rel=1e-5)
    turned = broken & right
    if turned.any():
        assert value("training_set_distance", np.inf) == pytest.approx(away[turned].mean(), rel=1e-5)
    leaf = x.clone().double().requires_grad_()
    loss = torch.nn.functional.cross_entropy(model.double()(leaf), y, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert value("loss_sensitivity", 0, "none") == pytest.approx(
        gradient.flatten(1).norm(dim=1).mean().item(), rel=1e-3
    )
