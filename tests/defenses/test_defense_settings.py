"""A bad setting is named by the constructor, with its value."""

import math

import pytest

from hardlight.attacks import FGSM, MinimalFGSM
from hardlight.defenses import (
    AdversarialTraining,
    DefendedNet,
    DefenseStack,
    FeatureSqueezing,
    GaussianAugmentation,
    LabelSmoothing,
    UniformNoise,
    VirtualAdversarialTraining,
)

NOT_POSITIVE = [0, -1.0, math.nan, math.inf, True, "1", None, [1]]
NOT_A_COUNT = [0, -1, 1.0, math.nan, True, "3", None]
NOT_A_FLAG = [0, 1, "true", None]
NOT_A_FRACTION = [-0.1, 1.1, math.nan, math.inf, True, "0.5", None]
VAT = VirtualAdversarialTraining

BAD = [
    *((defense, {"sigma": v}, "sigma") for defense in (GaussianAugmentation, UniformNoise) for v in NOT_POSITIVE),
    *((GaussianAugmentation, {"sigma": 0.1, "copies": v}, "copies") for v in NOT_A_COUNT),
    *((GaussianAugmentation, {"sigma": 0.1, "keep_clean": v}, "keep_clean") for v in NOT_A_FLAG),
    *((UniformNoise, {"sigma": 0.1, "clip": v}, "clip") for v in NOT_A_FLAG),
    *((LabelSmoothing, {"true_label": v}, "true_label") for v in [0, *NOT_A_FRACTION]),
    *((FeatureSqueezing, {"bits": v}, "bits") for v in [9, *NOT_A_COUNT]),
    (FeatureSqueezing, {"bits": 1, "backward": "straightthrough"}, "did you mean straight_through"),
    (FeatureSqueezing, {"bits": 1, "backward": None}, "backward"),
    *(
        (AdversarialTraining, {"attack": v}, "attack must be an attack with")
        for v in (None, "fgsm", FGSM, {"eps": 0.1}, MinimalFGSM())
    ),
    *((AdversarialTraining, {"attack": FGSM(eps=0.1), "alpha": v}, "alpha") for v in NOT_A_FRACTION),
    *((VAT, {field: v}, field) for field in ("eps", "xi") for v in NOT_POSITIVE),
    *((VAT, {"iterations": v}, "iterations") for v in NOT_A_COUNT),
    *((VAT, {"weight": v}, "weight") for v in [-1, math.nan, math.inf, True, "1", None]),
    *(
        (DefenseStack, {"defenses": v}, "defenses must hold defenses")
        for v in (["gda"], "gda", (GaussianAugmentation,))
    ),
    *((DefendedNet, {"net": None, "defenses": DefenseStack(), "chunk": v}, "chunk") for v in NOT_A_COUNT[:-1]),
]


@pytest.mark.parametrize(("defense", "settings", "words"), BAD, ids=lambda v: str(v)[:60])
def test_a_bad_setting_is_named(defense, settings, words):
    with pytest.raises(ValueError, match=words) as error:
        defense(**settings)
    value = list(settings.values())[-1]
    if isinstance(value, int | float):
        assert repr(value) in str(error.value)
