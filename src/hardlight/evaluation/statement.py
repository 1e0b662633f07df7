"""What a robustness number rests on: the threat model, the attacks, the attacked net, and what it does not say.

Each function gives plain values (text, numbers, lists, dicts) that are read off the rows and the net themselves.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from hardlight.attacks import attackable
from hardlight.defenses import DefendedNet, Defense
from hardlight.evaluation.hashes import weights_sha256
from hardlight.evaluation.threat import Threat
from hardlight.tensors import NORMS


def threat_facts(records: pd.DataFrame) -> dict[str, Any]:
    """Norms with their eps (infinite: any distance), the pixel box, labels moved away from, sources, attacked runs."""
    rows = _attacked(records)
    return {
        "eps": {str(norm): sorted(set(group["eps"])) for norm, group in rows.groupby("norm", sort=False)},
        "pixels": list(Threat.bounds),
        "targeted": False,
        "label": list(dict.fromkeys(rows["label"])),
        "source": list(dict.fromkeys(rows["source"])),
        "attacked": list(dict.fromkeys(rows["run"])),
    }


def attack_facts(records: pd.DataFrame, samples: pd.DataFrame, classes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of each attack its norm, eps, label, number of images, the most passes any image took, and all its settings.

    ``classes`` names the class behind each attack. One that ran with several settings has an entry for each.
    """
    passes = _passes(samples)
    found: list[dict[str, Any]] = []
    keys = ["attack", "norm", "label", "settings"]
    for key, rows in _attacked(records).groupby(keys, sort=False):
        attack, norm, label, settings = map(str, key)
        found.append(
            {
                "attack": attack,
                "class": classes[attack],
                "norm": norm,
                "eps": sorted(set(rows["eps"])),
                "label": label,
                "source": list(dict.fromkeys(rows["source"])),
                "n": int(rows["n"].max()),
                **passes[attack],
                "settings": json.loads(settings),
            }
        )
    return found


def net_facts(model: DefendedNet, x: Tensor) -> dict[str, Any]:
    """The defenses of a net, how each is differentiated, whether it is randomised, and the hash of its weights.

    ``x`` (N, C, H, W) are images to ask it. A defense or layer whose gradient is not the plain one says so in words
    by an attribute ``gradient``.
    """
    told = [layer for layer in model.net.modules() if isinstance(getattr(layer, "gradient", None), str)]
    layers = Counter((str(layer), str(layer.gradient)) for layer in told)
    return {
        "defenses": {repr(defense): _gradient(defense) for defense in model.defenses},
        "layers": {f"{count} × {name}": gradient for (name, gradient), count in layers.items()},
        "randomised": randomised(model, x),
        "sha256": weights_sha256(model.net),
    }


def randomised(model: DefendedNet, x: Tensor) -> bool:
    """Whether two forward passes of the same images, as under attack, differ by more than rounding."""
    parameter = next(model.parameters(), None)
    x = x if parameter is None else x.to(parameter.device)
    with attackable(model, x.device), torch.no_grad():
        return not torch.allclose(model(x), model(x), rtol=1e-4, atol=1e-5)


def limits(records: pd.DataFrame, samples: pd.DataFrame, *, randomised: bool = False) -> list[str]:
    """Sentences on what the accuracies do not say, among them the kinds of attack that did not run."""
    rows = _attacked(records)
    passes = _passes(samples).values()
    white_box = (rows["source"] == "self") | (rows["source"] == rows["run"])  # among several nets, each by its name
    found = ["Accuracies under attack are upper bounds on robustness: an attack that did not run can only lower them."]
    if not any(most["backward_passes"] > 1 for most in passes):
        found.append("No iterative attack ran: none took more than one gradient of an image.")
    if not any(most["backward_passes"] == 0 and most["forward_passes"] > 1 for most in passes):
        found.append("No attack that asks for outputs alone ran, so masked gradients may pass for robustness.")
    if not white_box.any():
        found.append("No white-box attack ran: who knows the attacked net's weights does at least as well.")
    if white_box.all():
        found.append("No transferred images were tried.")
    if not rows["eps"].map(math.isinf).any():
        found.append("No attack that looks for the smallest perturbation ran.")
    found.append("No targeted attack ran.")
    others = ", ".join(norm for norm in NORMS if norm not in set(rows["norm"]))
    found.append("Nothing is said of larger eps" + (f", or of perturbations measured in {others}." if others else "."))
    if randomised:
        found.append("The net is randomised: an attack that averages over its random numbers may do better.")
    found.append("Intervals tell what other test images would change, not what another training would.")
    return found


def _attacked(records: pd.DataFrame) -> pd.DataFrame:
    return records[(records["metric"] == "robust_accuracy") & (records["attack"] != "worst")]


def _passes(samples: pd.DataFrame) -> dict[str, dict[str, int]]:
    """The most that any image took, of each attack."""
    columns = ["forward_passes", "backward_passes"]
    return {
        str(attack): {column: int(rows[column].max()) for column in columns}
        for attack, rows in samples[samples["attack"] != "none"].groupby("attack")
    }


def _gradient(defense: Defense) -> str | None:
    """How a defense that acts on pixels at test time is differentiated; None for one that acts in training alone."""
    if type(defense).squeeze is Defense.squeeze:
        return None
    return str(getattr(defense, "gradient", getattr(defense, "backward", "exact")))
