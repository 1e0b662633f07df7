import math

import pytest
import torch

from hardlight.attacks import FGSM, PGD, Noise, RandomFGSM
from hardlight.evaluation.threat import Threat, ThreatError

GREY = torch.full((4, 3, 5, 5), 0.5)
PIXELS = 75
NORM = {"linf": 0.1, "l2": 0.1 * math.sqrt(PIXELS), "l1": 0.1 * PIXELS, "l0": PIXELS}


@pytest.mark.parametrize("norm", NORM)
def test_at_eps_is_allowed_and_beyond_is_not(norm):
    x_adv = GREY + 0.1
    Threat(norm, NORM[norm]).verify(GREY, x_adv)
    Threat(norm, NORM[norm]).verify(GREY, GREY)
    with pytest.raises(ThreatError, match=f"sample 0 is at {norm} distance"):
        Threat(norm, NORM[norm] * (1 - 1e-4)).verify(GREY, x_adv)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_few_ulp_a_pixel_are_forgiven_and_no_more(norm, dtype):
    x = GREY.to(dtype)
    ulp = torch.finfo(dtype).eps
    threat = Threat(norm, NORM[norm])
    threat.verify(x, x + 0.1 + 2 * ulp)
    with pytest.raises(ThreatError):
        threat.verify(x, x + 0.1 + 10 * ulp)


def test_l0_counts_exactly():
    x_adv = GREY.clone()
    x_adv[2, 0, 0, :4] = 0
    Threat("l0", 4).verify(GREY, x_adv)
    with pytest.raises(ThreatError, match="sample 2 is at l0 distance 4, more than eps 3"):
        Threat("l0", 3).verify(GREY, x_adv)


def test_each_sample_is_judged_alone_and_the_first_is_named():
    x_adv = GREY.clone()
    x_adv[2] += 0.2
    x_adv[3] += 0.3
    with pytest.raises(ThreatError, match=r"sample 2 is at linf distance 0\.19999998\d, more than eps 0\.1$"):
        Threat("linf", 0.1).verify(GREY, x_adv)


@pytest.mark.parametrize("norm", [None, "linf"])
@pytest.mark.parametrize(("value", "words"), [(1 + 2**-23, "outside"), (-1e-30, "outside")])
def test_the_box_holds_exactly(norm, value, words):
    x_adv = GREY.clone()
    x_adv[1, 0, 0, 0] = value
    with pytest.raises(ThreatError, match=f"sample 1 has pixels .*{words}"):
        Threat(norm, 1.0 if norm else None).verify(GREY, x_adv)


def test_other_bounds():
    Threat("linf", 3.0, bounds=(-2, 2)).verify(GREY, GREY - 2.5)
    with pytest.raises(ThreatError, match=r"outside \[-2, 2\]"):
        Threat("linf", 3.0, bounds=(-2, 2)).verify(GREY, GREY - 2.6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("norm", [None, *NORM])
def test_not_finite(norm, value):
    x_adv = GREY.clone()
    x_adv[3, 2, 4, 4] = value
    with pytest.raises(ThreatError, match="sample 3 holds pixels that are NaN or infinite"):
        Threat(norm, 1e6 if norm else None).verify(GREY, x_adv)


def test_a_clean_image_that_is_nan_proves_nothing():
    x = GREY.clone()
    x[0, 0, 0, 0] = math.nan
    with pytest.raises(ThreatError, match="sample 0"):
        Threat("l2", 10.0).verify(x, GREY)


@pytest.mark.parametrize("other", [GREY[:3], GREY[:, :1], GREY.double(), GREY.flatten(1)], ids=range(4))
def test_another_shape_or_dtype(other):
    with pytest.raises(ThreatError, match="must be like the clean ones"):
        Threat("linf", 1.0).verify(GREY, other)


def test_no_norm_allows_any_distance_and_no_samples_are_fine():
    Threat(None, None).verify(GREY, torch.zeros_like(GREY))
    Threat("l2", 0.1).verify(GREY[:0], GREY[:0])


def test_it_is_an_ordinary_value_error():
    assert issubclass(ThreatError, ValueError)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("l3", 0.1), "norm must be one of"),
        (("linfinity", 0.1), "did you mean linf"),
        (("linf", -0.1), "eps"),
        (("linf", None), "eps"),
        (("linf", True), "eps"),
        (("linf", math.nan), "eps"),
        ((None, 0.1), "eps must be None where norm is None"),
        (("linf", 0.1, (1, 0)), "bounds"),
        (("linf", 0.1, (0, 0)), "bounds"),
        (("linf", 0.1, (0, math.inf)), "bounds"),
        (("linf", 0.1, ("0", 1)), "bounds"),
        (("linf", 0.1, (0, 1, 2)), "bounds"),
        (("linf", 0.1, 1), "bounds"),
    ],
)
def test_a_bad_setting_is_named(settings, words):
    with pytest.raises(ValueError, match=words):
        Threat(*settings)


@pytest.mark.parametrize("eps", [1e-6, 0.03, 0.3, 1.0, 7.0])
@pytest.mark.parametrize(
    ("attack", "norm"),
    [
        *((FGSM, norm) for norm in ("linf", "l2", "l1")),
        *((PGD, norm) for norm in ("linf", "l2")),
        *((Noise, norm) for norm in ("linf", "l2", "l1")),
        (RandomFGSM, "linf"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_attack_keeps_to_it(attack, norm, eps, dtype):
    g = torch.Generator().manual_seed(0)
    x = (1.4 * torch.rand(20, 3, 16, 16, generator=g, dtype=dtype) - 0.2).clamp(0, 1)
    weight = torch.randn(768, 5, generator=g, dtype=dtype)
    y = torch.randint(0, 5, (20,), generator=g)
    x_adv = attack(eps=eps, norm=norm)(lambda x: x.flatten(1) @ weight, x, y)
    Threat(norm, eps).verify(x, x_adv)
