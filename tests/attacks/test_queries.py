"""Every pass is counted, and a model that cannot be attacked is never called robust."""

import pytest
import torch
from torch import nn

from hardlight.attacks import FGSM, PGD


@pytest.mark.parametrize(("restarts", "label"), [(1, "true"), (3, "predicted")])
def test_pgd_costs_its_steps_and_a_last_look(mlp, batch, restarts, label):
    outcome = PGD(eps=0.1, steps=7, restarts=restarts, label=label).run(mlp, *batch)
    looks = restarts if restarts > 1 else 0  # one at the end of each run, to keep the worst
    assert outcome.forward_passes.tolist() == [8 * restarts + looks + (label == "predicted")] * 64
    assert outcome.backward_passes.tolist() == [7 * restarts] * 64


def test_early_stop_saves_the_passes_of_those_it_lets_go(mlp, batch):
    x, y = batch
    outcome = PGD(eps=0.15, steps=7, random_start=False, early_stop=True).run(mlp, x, y)
    wrong = mlp(x).argmax(1) != y
    fooled = mlp(outcome.x_adv).argmax(1) != y
    assert (outcome.forward_passes[wrong] == 1).all()
    assert (outcome.forward_passes[~fooled] == 8).all()
    assert (outcome.forward_passes[fooled] <= 8).all()
    assert 1 < outcome.forward_passes[fooled & ~wrong].double().mean() < 8


class Broken(nn.Module):
    """A net with something in it that no gradient passes."""

    def __init__(self, net, how):
        super().__init__()
        self.net, self.how = net, how

    def forward(self, x):
        if self.how == "detached input":
            return self.net(x.detach())
        if self.how == "no_grad":
            with torch.no_grad():
                return self.net(x)
        if self.how == "argmax":
            return torch.eye(4)[self.net(x).argmax(1)]
        if self.how == "nan":
            return self.net(x) * torch.nan
        if self.how == "infinite gradient":
            return self.net(x.sqrt())  # of pixels that are 0
        raise AssertionError(self.how)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("detached input", "carry no gradient"),
        ("no_grad", "carry no gradient"),
        ("argmax", "carry no gradient"),
        ("nan", "NaN or infinite"),
        ("infinite gradient", "NaN or infinite"),
    ],
)
@pytest.mark.parametrize("trainable", [True, False])
def test_a_model_without_a_gradient_is_refused(how, words, trainable, mlp, batch):
    model = Broken(mlp, how).requires_grad_(trainable)
    with pytest.raises(ValueError, match=words):
        FGSM(eps=0.1)(model, *batch)


@pytest.mark.parametrize(
    "reshape", [lambda z: z.argmax(1), lambda z: z[:, :1], lambda z: z[:3], lambda z: z[:, None]], ids=range(4)
)
def test_logits_of_another_shape_are_refused(reshape, mlp, batch):
    with pytest.raises(ValueError, match=r"logits \(N, K\)"):
        FGSM(eps=0.1)(lambda x: reshape(mlp(x)), *batch)
