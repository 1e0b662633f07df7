"""What every attack owes its caller, whatever it does inside: an attack that joins the package joins these tests."""

import random
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from every_attack import EVERY, name, variants
from linear_oracle import Linear, rows_with_blocks
from piecewise_oracle import distances, polytope
from small_nets import small_batch, small_net

from hardlight.attacks import FixedBudget, MinimalNorm
from hardlight.attacks.goal import LOSSES
from hardlight.evaluation.threat import Threat
from hardlight.tensors import norms

FLOAT32, FLOAT64 = torch.float32, torch.float64
IMAGES = (3, 2, 2)
PLACES = [  # kind of net, shape of an image, classes, dtype, batch size
    ("mlp", IMAGES, 4, FLOAT32, 10),
    ("conv", (1, 4, 4), 3, FLOAT64, 5),
    ("linear", IMAGES, 2, FLOAT32, 1),
    ("mlp", (1, 1, 2), 2, FLOAT64, 10),
]

DRAWING = {"JSMA": {"targets": "random"}, "FAB": {"random_start": True}}
"""Settings with which an attack draws numbers in its first run too."""

GRADIENT_FREE = {"Noise", "Square", "HopSkipJump"}

UNAIMED = {"Noise", "VirtualAdversarial"}
"""Which use neither label nor target."""

COMPOSED = {"WorstOf", "AutoAttack"}
"""The worst of what several attacks return, each of which has a loss of its own."""


def those(fits):
    return pytest.mark.parametrize("attack", [attack for attack in EVERY if fits(attack)], ids=name)


every = those(lambda attack: True)
budgeted = those(lambda attack: isinstance(attack, FixedBudget))
minimal = those(lambda attack: isinstance(attack, MinimalNorm))
stopping = those(lambda attack: hasattr(attack, "early_stop"))
drawing = those(lambda attack: attack.draws)
aiming = those(lambda attack: type(attack).__name__ not in UNAIMED)
climbing = those(lambda attack: type(attack).__name__ not in GRADIENT_FREE)


@pytest.fixture(scope="module")
def mlp():
    return small_net("mlp", IMAGES, 4)


@pytest.fixture(scope="module")
def batch(mlp):
    return small_batch(mlp, 10, IMAGES)


def fooled(net, x, y):
    """Judged one image at a time, as no attack sees it."""
    with torch.no_grad():
        return torch.cat([net(image) for image in x.split(1)]).argmax(1) != y


class Recorder:
    """A plain callable that keeps what it is asked about, and counts by its own means what passes each way."""

    def __init__(self, net):
        self.net, self.asked, self.backward = net, [], 0

    def __call__(self, x):
        logits = self.net(x)
        self.asked.append((x.detach().clone(), logits.detach()))
        if logits.requires_grad:
            logits.register_hook(self._hook)
        return logits

    def _hook(self, gradient):
        self.backward += len(gradient)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: "-".join(map(str, place)))
@every
def test_images_are_in_the_box_the_budget_and_of_the_callers_kind(attack, place):
    kind, shape, classes, dtype, n = place
    net = small_net(kind, shape, classes, dtype)
    x, y = small_batch(net, n, shape, dtype)
    x_adv = attack(net, x, y)
    threat = Threat(attack.norm, attack.eps) if isinstance(attack, FixedBudget) else Threat(None, None)
    threat.verify(x, x_adv)
    if isinstance(attack, MinimalNorm):
        moved = (x_adv != x).flatten(1).any(1)
        assert not (moved & fooled(net, x, y)).any()  # what was wrong already is as near as can be
        assert (moved <= fooled(net, x_adv, y)).all()


@every
def test_nothing_is_nearer_than_the_nearest(attack):
    """A polytope's images, each asked about with a budget a hair below its distance to the outside."""
    net, x, y = polytope(IMAGES, 5, classes=3)
    nearest = distances(net, x, attack.norm)
    if isinstance(attack, MinimalNorm):
        x_adv = attack(net, x, y)
        moved = (x_adv != x).flatten(1).any(1)
        assert (norms(x_adv - x, attack.norm) >= nearest - 1e-9)[moved].all()
        return
    for k in range(5):
        below = replace(attack, eps=nearest[k].item() * 0.999)
        assert not fooled(net, below(net, x[k : k + 1], y[k : k + 1]), y[k : k + 1])


@those(lambda attack: attack.per_sample)
def test_a_sample_does_not_notice_the_others(attack, mlp, batch):
    """In float64, where a batch of another size differs by 1e-16: what is compared are the images themselves."""
    x, y = batch
    index = torch.arange(10) + 3
    some = torch.tensor([9, 4, 0, 6, 2])
    for variant in variants(attack):
        whole = variant(mlp, x, y, index=index)
        part = variant(mlp, x[some], y[some], index=index[some])
        torch.testing.assert_close(part, whole[some], rtol=0, atol=1e-6)


@every
def test_the_same_again_and_nothing_of_the_callers_is_touched(attack):
    net = small_net("conv", (1, 4, 4), 4)
    x, y = small_batch(net, 6, (1, 4, 4))
    net.train()
    net[1].eval()
    net[0].requires_grad_(False)
    net[5].weight.grad = torch.ones_like(net[5].weight)
    x.requires_grad_()

    def state():
        return [
            [module.training for module in net.modules()],
            [(p.requires_grad, None if p.grad is None else p.grad.tolist()) for p in net.parameters()],
            {key: value.tolist() for key, value in net.state_dict().items()},
            (x.tolist(), y.tolist(), x.grad, x.requires_grad),
            (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),
            (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        ]

    found = []
    for seed, around in enumerate((nullcontext, torch.no_grad, torch.inference_mode)):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        before = state()
        with around():
            x_adv = attack(net, x, y)
        assert state() == before
        assert not x_adv.requires_grad
        found.append(x_adv)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@drawing
def test_another_seed_or_index_is_another_draw(attack, mlp, batch):
    x, y = batch
    attack = replace(attack, **DRAWING.get(type(attack).__name__, {}))
    x_adv = attack(mlp, x, y)
    assert not torch.equal(x_adv, replace(attack, seed=1)(mlp, x, y))
    assert not torch.equal(x_adv, attack(mlp, x, y, index=torch.arange(10) + 10))


@minimal
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_what_cannot_be_fooled_is_unchanged(attack, classes, targeted):
    net = small_net("dead", IMAGES, classes)
    x, _ = small_batch(net, 4, IMAGES)
    y = torch.zeros(4, dtype=torch.int64)
    assert torch.equal(attack(net, x, y, y_target=1 - y if targeted else None), x)


@budgeted
@pytest.mark.parametrize("classes", [2, 3])
def test_no_gradient_no_harm(attack, classes):
    """A net of dead units: no NaN, no exception, nothing outside."""
    net = small_net("dead", IMAGES, classes)
    x, y = small_batch(net, 6, IMAGES)
    for target in (None, (y + 1) % classes):
        Threat(attack.norm, attack.eps).verify(x, attack(net, x, y, y_target=target))


@stopping
def test_the_worst_that_it_saw_and_never_the_clean_image(attack, mlp, batch):
    """One image at a time, so that it is known whose each asked image is."""
    attack, within = attack.exhaustive(), Threat(attack.norm, attack.eps).within
    loss = LOSSES[getattr(attack, "loss", "margin")]
    for x, y in zip(*(part[:6].split(1) for part in batch), strict=True):
        recorder = Recorder(mlp)
        x_adv = attack(recorder, x, y)
        assert not torch.equal(x_adv, x)
        seen = [
            (bool(logits[k].argmax() != y), loss(logits[k : k + 1], y).item())
            for images, logits in recorder.asked
            for k in range(len(images))
            if within(x, images[k : k + 1]) and not torch.equal(images[k], x[0])
        ]
        logits = mlp(x_adv)
        assert bool(logits.argmax() != y) == max(seen)[0]
        if type(attack).__name__ not in COMPOSED:
            assert loss(logits, y).item() >= max(seen)[1] - 1e-9


@stopping
def test_early_stop_fools_the_same_samples(attack, mlp, batch):
    x, y = batch
    early, late = replace(attack, early_stop=True), replace(attack, early_stop=False)
    assert (early.stops_early, late.stops_early, early.exhaustive()) == (True, False, late)
    assert torch.equal(fooled(mlp, early(mlp, x, y), y), fooled(mlp, late(mlp, x, y), y))


@aiming
def test_targeted_reaches_its_target(attack):
    classes = 3
    net = Linear(rows_with_blocks(classes, 12, seed=0))
    g = torch.Generator().manual_seed(0)
    x = 0.45 + 0.1 * torch.rand(6, *IMAGES, generator=g, dtype=FLOAT64)
    y = net(x).argmax(1)
    y_target = (y + 1 + torch.arange(6) % 2) % classes if attack.per_sample else torch.zeros_like(y)
    if isinstance(attack, FixedBudget):
        attack = replace(attack, eps={"linf": 0.3, "l2": 1.0, "l1": 3.0, "l0": 8.0}[attack.norm])
    missed = fooled(net, attack(net, x, y, y_target=y_target), y_target)
    assert missed.double().mean() <= (0 if attack.per_sample else 0.2)


@every
def test_no_samples(attack, mlp, batch):
    x, y = batch
    outcome = attack.run(mlp, x[:0], y[:0])
    assert outcome.x_adv.shape == (0, *IMAGES)
    assert outcome.forward_passes.shape == outcome.backward_passes.shape == (0,)


@every
def test_counts_are_the_models_own(attack, mlp, batch):
    for variant in variants(attack):
        recorder = Recorder(mlp)
        outcome = variant.run(recorder, *batch)
        assert outcome.forward_passes.shape == outcome.backward_passes.shape == (10,)
        assert outcome.forward_passes.sum() == sum(len(images) for images, _ in recorder.asked)
        assert outcome.backward_passes.sum() == recorder.backward
        if type(attack).__name__ in GRADIENT_FREE:
            assert recorder.backward == 0


@climbing
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda net, x: net(x).detach(), "carry no gradient"),
        (lambda net, x: torch.eye(4, dtype=x.dtype)[net(x).argmax(1)], "carry no gradient"),
        (lambda net, x: net(x) + 0 * (x - x).sqrt().sum(), "NaN or infinite"),
    ],
    ids=["detached", "argmax", "infinite"],
)
def test_a_model_without_a_gradient_is_refused(attack, broken, words, mlp, batch):
    x, _ = batch
    with pytest.raises(ValueError, match=words):
        attack(lambda x: broken(mlp, x), x, mlp(x).argmax(1))
