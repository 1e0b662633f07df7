"""What an attack refuses, before it asks the model anything."""

import pytest
import torch

from hardlight.attacks import FGSM, PGD, Noise, RandomFGSM

BAD = [
    (FGSM, {"eps": 0}, "eps"),
    (FGSM, {"eps": -0.1}, "eps"),
    (FGSM, {"eps": float("nan")}, "eps"),
    (FGSM, {"eps": float("inf")}, "eps"),
    (FGSM, {"eps": True}, "eps"),
    (FGSM, {"eps": "0.1"}, "eps"),
    (FGSM, {"eps": None}, "eps"),
    (FGSM, {"eps": [0.1]}, "eps"),
    (FGSM, {"eps": 0.1, "norm": "l3"}, "norm"),
    (FGSM, {"eps": 0.1, "norm": "Linf"}, "did you mean linf"),
    (FGSM, {"eps": 0.1, "norm": ["linf"]}, "norm"),
    (FGSM, {"eps": 0.1, "label": "predict"}, "did you mean predicted"),
    (FGSM, {"eps": 0.1, "label": False}, "label"),
    (FGSM, {"eps": 0.1, "seed": -1}, "seed"),
    (FGSM, {"eps": 0.1, "seed": 1.0}, "seed"),
    (FGSM, {"eps": 0.1, "seed": True}, "seed"),
    (FGSM, {"eps": 0.1, "seed": 2**63}, "seed"),
    (RandomFGSM, {"eps": 0}, "eps"),
    (RandomFGSM, {"eps": 0.1, "alpha": 0}, "alpha"),
    (RandomFGSM, {"eps": 0.1, "alpha": float("nan")}, "alpha"),
    (RandomFGSM, {"eps": 0.1, "alpha": "big"}, "alpha"),
    (RandomFGSM, {"eps": 0.1, "norm": "l2"}, "norm"),
    (RandomFGSM, {"eps": 0.1, "seed": None}, "seed"),
    (Noise, {"eps": -1}, "eps"),
    (Noise, {"eps": 0.1, "norm": "l0"}, "norm"),
    (Noise, {"eps": 0.1, "kind": "gausian"}, "did you mean gaussian"),
    (PGD, {"eps": 0}, "eps"),
    (PGD, {"eps": 0.1, "norm": "l1"}, "norm"),
    (PGD, {"eps": 0.1, "steps": 0}, "steps"),
    (PGD, {"eps": 0.1, "steps": 2.0}, "steps"),
    (PGD, {"eps": 0.1, "steps": True}, "steps"),
    (PGD, {"eps": 0.1, "step_size": 0}, "step_size"),
    (PGD, {"eps": 0.1, "step_size": float("inf")}, "step_size"),
    (PGD, {"eps": 0.1, "restarts": 0}, "restarts"),
    (PGD, {"eps": 0.1, "restarts": "3"}, "restarts"),
    (PGD, {"eps": 0.1, "random_start": 1}, "random_start"),
    (PGD, {"eps": 0.1, "early_stop": "yes"}, "early_stop"),
    (PGD, {"eps": 0.1, "loss": "crossentropy"}, "did you mean cross_entropy"),
]


@pytest.mark.parametrize(("attack", "settings", "words"), BAD, ids=lambda v: v if isinstance(v, str) else None)
def test_a_bad_setting_is_named(attack, settings, words):
    with pytest.raises(ValueError, match=words):
        attack(**settings)


@pytest.mark.parametrize("attack", [FGSM(eps=0.1), RandomFGSM(eps=0.1), Noise(eps=0.1), PGD(eps=0.1)], ids=repr)
class TestPixels:
    @pytest.mark.parametrize("value", [1.0001, -0.0001, float("nan"), float("inf")])
    def test_one_outside_the_box(self, attack, value, mlp, batch):
        x = batch[0].clone()
        x[3, 1, 0, 1] = value
        with pytest.raises(ValueError, match=r"pixels must be finite and in \[0, 1\]"):
            attack(mlp, x, batch[1])

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.bfloat16], ids=str)
    def test_of_another_dtype(self, attack, dtype, mlp, batch):
        with pytest.raises(ValueError, match="pixels must be float32 or float64"):
            attack(mlp, batch[0].to(dtype), batch[1])

    def test_labels_of_another_shape_or_kind(self, attack, mlp, batch):
        x, y = batch
        for labels in (y[:5], y[:, None], y.float()):
            with pytest.raises(ValueError, match="y must hold a whole number for each image"):
                attack(mlp, x, labels)
        with pytest.raises(ValueError, match="y_target must"):
            attack(mlp, x, y, y_target=y[:1])
        with pytest.raises(ValueError, match="index must"):
            attack(mlp, x, y, index=torch.arange(5))


@pytest.mark.parametrize("kind", ["y", "y_target"])
def test_labels_that_the_model_has_no_class_for(kind, mlp, batch):
    x, y = batch
    k = mlp(x).shape[1]
    labels = {"y": y, "y_target": y} | {kind: y.clone().index_fill(0, torch.tensor([2]), k)}
    with pytest.raises(ValueError, match=rf"at least {k + 1} classes, as there is a label {k}, got \({len(x)}, {k}\)"):
        FGSM(eps=0.1)(mlp, x, **labels)
    labels[kind][2] = -1
    with pytest.raises(ValueError, match="labels must be 0 or more, got -1"):
        FGSM(eps=0.1)(mlp, x, **labels)


def test_labels_of_any_width(mlp, batch):
    x, y = batch
    assert torch.equal(FGSM(eps=0.1)(mlp, x, y.to(torch.uint8)), FGSM(eps=0.1)(mlp, x, y))
