import itertools
from dataclasses import replace

import pandas as pd
import pytest
import torch
from sample_rows import FACTS
from torch import nn

from hardlight.attacks import FGSM, PGD, MinimalFGSM
from hardlight.data import Batch
from hardlight.evaluation.columns import SAMPLE_COLUMNS
from hardlight.evaluation.crafted import craft
from hardlight.evaluation.planned import Planned
from hardlight.evaluation.records import AttackRun
from hardlight.evaluation.threat import ThreatError
from hardlight.evaluation.transfer import Targets, transfer_records

CPU = torch.device("cpu")
N = 30


def net(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Dropout(0.9), nn.ReLU(), nn.Linear(8, 3))


MODELS = {"a": net(0), "b": net(1)}
X = torch.rand(N, 1, 4, 4, generator=torch.Generator().manual_seed(0))
INDEX = torch.arange(N) + 100
with torch.no_grad():  # half of them right on the first net
    Y = (MODELS["a"].eval()(X).argmax(1) + torch.arange(N) % 2) % 3
BATCHES = [Batch(*parts) for parts in zip(*(each.split(8) for each in (X, Y, INDEX)), strict=True)]


def crossed(planned):
    """Every row of every net under images from every net."""
    targets = Targets(MODELS, BATCHES, CPU)
    frames = list(targets.clean_rows())
    for source, model in MODELS.items():
        frames += targets.rows(source, "it", planned, craft(planned.attack, model, BATCHES, CPU))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("attack", [FGSM(eps=0.2), PGD(eps=0.2, steps=3, early_stop=False)])
def test_the_matrix_as_made_by_hand(attack):
    samples = crossed(Planned.of(attack))
    assert list(samples) == list(SAMPLE_COLUMNS)
    assert len(samples) == 2 * N + 4 * N
    for source, target in itertools.product(MODELS, MODELS):
        rows = samples.query("attack == 'it' and source == @source and run == @target")
        x_adv = attack(MODELS[source], X, Y, index=INDEX)
        with torch.no_grad():
            model = MODELS[target].eval()
            clean, attacked = model(X).argmax(1), model(x_adv).argmax(1)
        assert rows["index"].tolist() == INDEX.tolist()
        assert rows["label"].tolist() == Y.tolist()
        assert rows["clean_prediction"].tolist() == clean.tolist()
        assert rows["adversarial_prediction"].tolist() == attacked.tolist()
        assert rows["linf"].to_numpy() == pytest.approx((x_adv - X).flatten(1).abs().amax(1).numpy())
    clean_rows = samples.query("attack == 'none' and run == 'b'")
    assert (clean_rows["linf"] == 0).all()
    assert set(clean_rows["source"]) == {"self"}


def test_records_of_each_net_and_source():
    planned = Planned.of(FGSM(eps=0.2))
    samples = crossed(planned)
    ran = {name: {("it", 0.2): AttackRun(seconds=at)} for at, name in enumerate(MODELS)}
    facts = {name: FACTS | {"defense": f"of {name}"} for name in MODELS}
    records = transfer_records(samples, facts, ran)
    assert len(records.query("metric == 'accuracy' and attack == 'none'")) == 2
    for source, target in itertools.product(MODELS, MODELS):
        (row,) = records.query(
            "metric == 'robust_accuracy' and attack == 'it' and source == @source and run == @target"
        ).to_dict("records")
        rows = samples.query("attack == 'it' and source == @source and run == @target")
        right = (rows["clean_prediction"] == rows["label"]) & (rows["adversarial_prediction"] == rows["label"])
        assert (row["value"], row["n"]) == (right.mean(), N)
        assert (row["defense"], row["seconds"]) == (f"of {target}", list(MODELS).index(source))


def test_what_a_minimal_norm_attack_did_not_find_within_eps_is_the_clean_image():
    planned = Planned.of(MinimalFGSM(), (0.05,))
    samples = crossed(planned)
    near, any_distance = samples.query("attack == 'it' and eps == 0.05"), samples.query("eps == inf")
    assert len(near) == len(any_distance) == 4 * N
    far = any_distance["linf"].to_numpy() > 0.05 + 1e-6
    assert 0 < far.sum() < len(far)
    assert (near["linf"].to_numpy()[far] == 0).all()
    same = near["clean_prediction"] == near["adversarial_prediction"]
    assert same.to_numpy()[far].all()


def test_a_kept_set_that_breaks_the_threat_model_is_refused():
    planned = Planned.of(FGSM(eps=0.2))
    made = craft(replace(planned.attack, eps=0.3), MODELS["a"], BATCHES, CPU)
    with pytest.raises(ThreatError, match="more than eps"):
        list(Targets(MODELS, BATCHES, CPU).rows("a", "it", planned, made))
