"""FGSM adversarial training: our step against ART's trainer, on the same net, optimizer and work."""

import io
from contextlib import redirect_stderr
from math import nan
from typing import Any

import numpy as np
import torch
from benchmark import Clock, Way, ratio, spread
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from hardlight.attacks import FGSM
from hardlight.defenses import AdversarialTraining, DefendedNet, DefenseStack
from hardlight.nets import CNN

EPS = 0.3
BATCH = 128  # clean images a step, and as many crafted
GOAL = 1.5


def net(device: torch.device) -> nn.Module:
    torch.manual_seed(0)
    return CNN((1, 28, 28), 10).to(device)


def our_epoch(x: Tensor, y: Tensor) -> tuple[float, float]:
    defenses = DefenseStack((AdversarialTraining(attack=FGSM(eps=EPS), alpha=0.5),))
    model = DefendedNet(net(x.device), defenses, chunk=None if x.is_cuda else BATCH)
    optimizer = torch.optim.Adam(model.parameters())
    clock = Clock()
    for part, labels in zip(x.split(BATCH), y.split(BATCH), strict=True):
        target = one_hot(labels, 10).to(part.dtype)
        loss = defenses.harden(cross_entropy(model(part), target), model, part, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return clock.read()


def art_epoch(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Of a batch of 256 it replaces a half by what it crafts."""
    from art.attacks.evasion import FastGradientMethod
    from art.defences.trainer import AdversarialTrainer

    from peers.art import classifier

    model = net(x.device)
    estimator = classifier(model, x, torch.optim.Adam(model.parameters()))
    attack = FastGradientMethod(estimator, eps=EPS, batch_size=BATCH)
    trainer = AdversarialTrainer(estimator, attack, ratio=0.5)
    twice = torch.cat([x, x]).cpu().numpy(), torch.cat([y, y]).cpu().numpy()
    clock = Clock()
    with redirect_stderr(io.StringIO()):  # bars that no setting turns off
        trainer.fit(*twice, batch_size=2 * BATCH, nb_epochs=1)
    return clock.read()


def measure(x: Tensor, y: Tensor, rounds: int) -> dict[str, Any]:
    """A row like those of the attacks; samples are what is trained on, clean and crafted."""
    ours = Way("at", 2 * len(x), lambda: our_epoch(x, y))
    art = Way("ART AdversarialTrainer", 2 * len(x), lambda: art_epoch(x, y))
    for way in (ours, art):
        way.turn()
    for _ in range(rounds):
        for way in (ours, art):
            way.take_turn()
    speeds = (ours.wall, art.wall) if x.is_cuda else (ours.cpu, art.cpu)
    low, high = spread(*speeds)
    found = ratio(*speeds)
    return {
        "match": "fgsm adversarial training",
        "ours": ours.name,
        "peer": art.name,
        "images": len(x),
        "peer_images": len(x),
        "rounds": rounds,
        "budget": True,
        "fastest": True,
        "speed": float(np.median(speeds[0])),
        "peer_speed": float(np.median(speeds[1])),
        "ratio": float(found),
        "ratio_low": low,
        "ratio_high": high,
        "strength": "equal",
        "goal": GOAL,
        "met": bool(found >= GOAL),
        "success": nan,
        "peer_success": nan,
        "note": "samples trained on, half of them crafted",
    }
