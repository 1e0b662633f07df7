"""The universal perturbation against the paper's loop written out, and in closed form on linear models."""

import math

import pytest
import torch
from linear_oracle import DUAL, rows_opposed

from hardlight.attacks import DeepFool, Universal
from hardlight.tensors import norms, project

NORMS = pytest.mark.parametrize("norm", ["linf", "l2"])
EPS = {"linf": 0.2, "l2": 0.6}


def written_out(model, x, y, norm, eps, steps, delta):
    """Image by image; the best v of the passes and the rates after each."""
    v, rates, kept = torch.zeros_like(x[0]), [], []
    while len(rates) < steps and (not rates or rates[-1] < 1 - delta):
        for image, label in zip(x, y, strict=True):
            here = (image + v).clamp(0, 1)[None]
            if model(here).argmax() == label:
                there = DeepFool(norm=norm, steps=4)(model, here, label[None])
                v = project((v + (there - here)[0])[None], norm, eps)[0]
        rates.append(float((model((x + v).clamp(0, 1)).argmax(1) != y).double().mean()))
        kept.append(v)
    return kept[rates.index(max(rates))], rates


@NORMS
@pytest.mark.parametrize("delta", [0.0, 0.6, 1.0])
def test_the_papers_loop_image_by_image(norm, delta, mlp, batch):
    model, x, y = mlp.double(), batch[0][:24].double(), batch[1][:24]
    v, rates = written_out(model, x, y, norm, EPS[norm], 4, delta)
    attack = Universal(eps=EPS[norm], norm=norm, steps=4, delta=delta, deepfool_steps=4, batch_size=1)
    x_adv = attack(model, x, y)
    torch.testing.assert_close(x_adv, (x + v).clamp(0, 1), rtol=0, atol=1e-6)
    assert len(rates) == (1 if delta == 1 else 4 if delta == 0 else len(rates))
    assert max(rates) > float((model(x).argmax(1) != y).double().mean())


@pytest.fixture
def opposed(linear):
    """Two classes, and 40 images of class 0 near grey."""
    weight = rows_opposed(48, seed=4)
    g = torch.Generator().manual_seed(6)
    x = 0.5 + 0.1 * (torch.rand(40, 3, 4, 4, generator=g, dtype=torch.float64) - 0.5)
    x = x + 0.03 * weight[0].sign().reshape(3, 4, 4)
    return linear(weight), x, torch.zeros(40, dtype=torch.int64)


@NORMS
def test_one_class_of_a_linear_model_is_pushed_along_its_weights(norm, opposed):
    """All images have one way out: v is that way, as long as the 36th nearest of 40 needs at least."""
    model, x, y = opposed
    w = 2 * model.weight.detach()[0]
    far = ((x.flatten(1) - 0.5) @ w) / torch.linalg.vector_norm(w, DUAL[norm])
    assert far.min() > 0
    x_adv = Universal(eps=5.0, norm=norm, delta=0.1)(model, x, y)
    v = x_adv - x
    torch.testing.assert_close(v, v[:1].expand_as(v), rtol=0, atol=1e-12)
    length = float(norms(v, norm)[0])
    way = -w.sign() if norm == "linf" else -w / w.norm()
    torch.testing.assert_close(v[0].flatten(), length * way, rtol=0, atol=1e-9)
    assert float(far.sort().values[35]) < length < 1.03 * float(far.max())
    assert (model(x_adv).argmax(1) != y).double().mean() >= 0.9


def test_a_batchs_pushes_are_averaged(opposed):
    model, x, y = opposed
    w = 2 * model.weight.detach()[0]
    far = ((x.flatten(1) - 0.5) @ w) / w.norm()
    v = Universal(eps=5.0, norm="l2", delta=1.0, batch_size=40)(model, x, y) - x
    assert float(norms(v, "l2")[0]) == pytest.approx(1.02 * float(far.mean()), rel=1e-9)


@NORMS
def test_it_stays_within_the_budget(norm, opposed):
    model, x, y = opposed
    x_adv = Universal(eps=0.01, norm=norm, steps=3)(model, x, y)
    torch.testing.assert_close(norms(x_adv - x, norm), torch.full((40,), 0.01, dtype=torch.float64))


def test_targeted(opposed):
    model, x, y = opposed
    x_adv = Universal(eps=1.0, delta=0.0)(model, x, y, y_target=1 - y)
    assert (model(x_adv).argmax(1) == 1).all()
    assert torch.equal(Universal(eps=1.0)(model, x, y, y_target=y), x)


def test_it_is_the_attack_whose_samples_depend_on_their_batch():
    assert not Universal.per_sample
    assert DeepFool.per_sample


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("delta", 1.1), ("delta", math.nan), ("deepfool_steps", 0), ("overshoot", -1), ("batch_size", 0)],
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be"):
        Universal(eps=0.1, **{field: value})
