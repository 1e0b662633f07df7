"""No constructor of ours takes a value that it cannot use: generated from conf/ and from the signatures.

Each numeric parameter, also one that is added later, is given what is no number, not finite or far too large, which it
has to refuse; and numbers at the edges, which it has to refuse or to work with.
"""

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from hardlight import config
from hardlight.attacks import Attack
from hardlight.data import DataModule
from hardlight.defenses import DefendedNet, Defense, DefenseStack
from hardlight.evaluation.threat import Threat

CONF = config.conf_folder()
NOT_BUILT = ("debug", "experiment", "hydra", "logger", "paths", "trainer")
LISTS = ("attack", "defense", "metric")
NO_NUMBERS = [math.nan, math.inf, -math.inf, 10**30, 1e300, 10**400, "abc", "1", [1], [math.nan], {"a": 1}]
LISTS_OF_NUMBERS = ("hidden",)  # of any length
EDGES = [0, 0.0, 1, -1, 0.5, -0.5, 3, 100.0]
HUGE = 1e15  # the largest that is taken, where it does not ask for as many steps:
COSTS_NOTHING = ("alpha", "eps", "sigma", "step_size", "t", "weight", "xi")


def nodes(found: Any) -> Iterator[dict[str, Any]]:
    if isinstance(found, dict):
        if str(found.get("_target_")).startswith("hardlight."):
            yield found
        for value in found.values():
            yield from nodes(value)


def in_conf() -> dict[str, dict[str, Any]]:
    """Every constructor of ours that conf/ names, with settings that it takes."""
    config.register()
    found: dict[str, dict[str, Any]] = {}
    groups = sorted({file.parent for file in CONF.glob("*/*.yaml") if file.parent.name not in NOT_BUILT})
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for group in groups:
            options = [file.stem for file in sorted(group.glob("*.yaml"))]
            for option in [f"[{','.join(options)}]"] if group.name in LISTS else options:
                path = ["model.path=torch.nn:Identity"] if option == "python" else []
                chosen = compose("train", [f"{group.name}={option}", "paths.output=out", *path])[group.name]
                for node in nodes(OmegaConf.to_container(chosen, resolve=True) if chosen else {}):
                    found.setdefault(node["_target_"], node)
    return found


def settings(node: dict[str, Any]) -> dict[str, Any]:
    """Of a node, what it holds built; the first eps of a grid."""
    built = {key: _built(value) for key, value in node.items()}
    wanted = inspect.signature(get_object(node["_target_"])).parameters  # a minimal-norm attack takes no eps
    return {key: value for key, value in _one_eps(built).items() if key in wanted}


def _built(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "_target_" not in value:  # a mapping of them
        return {name: _built(each) for name, each in value.items()}
    return instantiate(_one_eps(value))


def _one_eps(node: dict[str, Any]) -> dict[str, Any]:
    return node | {"eps": node["eps"][0]} if isinstance(node.get("eps"), list) else node


CONSTRUCTORS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    **{target.removeprefix("hardlight."): (get_object(target), settings(node)) for target, node in in_conf().items()},
    "DataModule": (DataModule, {"source": None, "shape": [1, 28, 28], "num_classes": 10}),
    "DefendedNet": (DefendedNet, {"net": nn.Flatten(), "defenses": DefenseStack()}),
    "Threat": (Threat, {"norm": "l2", "eps": 0.1}),
}


def kinds(make: Callable[..., Any], name: str) -> set[Any]:
    """The types that a parameter may have; for a sequence, those of its items."""
    hints = typing.get_type_hints(make if inspect.isfunction(make) else make.__init__)  # type: ignore[misc]  # of a class, not of an instance
    return set(_kinds(hints[name]))


def _kinds(hint: Any) -> Iterator[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType, tuple, list, Sequence):
        for inner in typing.get_args(hint):
            yield from _kinds(inner)
    else:
        yield typing.get_origin(hint) or hint


PARAMETERS = [
    (label, name)
    for label, (make, _) in CONSTRUCTORS.items()
    for name, parameter in inspect.signature(make).parameters.items()
    if parameter.kind is not parameter.VAR_KEYWORD and kinds(make, name) & {int, float, bool}
]


def test_there_is_much_to_ask() -> None:
    assert {"attacks.PGD", "data.StandardSource", "defenses.LabelSmoothing", "nets.CNN"} <= {of for of, _ in PARAMETERS}
    assert len(PARAMETERS) > 50


@pytest.mark.parametrize(("label", "name"), PARAMETERS)
def test_what_is_no_number_is_refused(label: str, name: str) -> None:
    make, given = CONSTRUCTORS[label]
    allowed = kinds(make, name)
    never = [value for value in NO_NUMBERS if value != [1] or name not in LISTS_OF_NUMBERS]
    never += [] if type(None) in allowed else [None]
    never += [] if bool in allowed else [True, False]
    never += [] if {int, float} & allowed else [0, 1, 0.5]
    for value in never:
        with pytest.raises(ValueError, match=rf"^{name} .*, got ") as told:
            make(**{**given, name: value})
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(("label", "name"), PARAMETERS)
def test_a_number_is_refused_or_works(label: str, name: str) -> None:
    make, given = CONSTRUCTORS[label]
    worked = 0
    for value in [None, True, False, *EDGES, given.get(name), *([HUGE] if name in COSTS_NOTHING else [])]:
        try:
            built = make(**{**given, name: value})
        except ValueError as refused:
            assert name in str(refused)  # noqa: PT017
        else:
            use(built)
            worked += 1
    assert worked or name in ("bounds", "shape", *LISTS_OF_NUMBERS)


def use(built: Any) -> None:
    """One call of what was built, on two images; nothing that comes of it is NaN."""
    torch.manual_seed(0)
    x, y = torch.rand(2, 1, 28, 28), torch.tensor([0, 1])
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    if isinstance(built, Attack):
        x_adv = built(net, x, y)
        assert x_adv.isfinite().all()
        assert x_adv.aminmax().min >= 0
        assert x_adv.aminmax().max <= 1
    elif isinstance(built, Defense):
        target = built.soften(nn.functional.one_hot(y, 10).float())
        augmented, _ = built.augment(x, y)
        loss = built.harden(torch.tensor(1.0), net, x, target)
        found: list[Tensor] = [target, augmented, built.squeeze(x), loss]
        assert all(each.isfinite().all() for each in found)
    elif type(built).__module__.startswith("hardlight.nets"):
        assert built.eval()(x).isfinite().all()
    elif isinstance(built, Threat):
        built.verify(x, x)
