"""``statement.md``: a page on what a run's numbers rest on, for a person to read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from hardlight.evaluation.columns import eps_word
from hardlight.evaluation.run_folder import write_whole


def write_statement(facts: Mapping[str, Any], folder: str | Path) -> Path:
    """The page of ``facts`` into ``folder``, in place of an older one."""
    return write_whole(Path(folder) / "statement.md", lambda path: path.write_text(statement(facts), "utf-8"))


def statement(facts: Mapping[str, Any]) -> str:
    """Markdown: the threat model, attacks, nets, data and run of ``facts``, and what the numbers do not say."""
    sections = {
        "Threat model": _threat(facts["threat"]),
        "Attacks": _attacks(facts["attacks"], facts["data"]),
        **{f"Net: {name}": _net(net) for name, net in facts["nets"].items()},
        "Data": _data(facts["data"]),
        "Run": _run(facts["run"]),
        "What the numbers do not say": iter(facts["limits"]),
    }
    head = f"# Robustness statement: {facts['title']}\n\nThe numbers are in `records.csv`, every image's in "
    head += "`samples.parquet`, every setting in `config.yaml`, all beside this page."
    bodies = ["\n".join([f"## {title}", "", *(f"- {line}" for line in lines)]) for title, lines in sections.items()]
    command = f"Made by this command, in `{facts['run']['folder']}`:\n\n    {facts['run']['command']}"
    return "\n\n".join([head, command, *bodies]) + "\n"


def _threat(threat: Mapping[str, Any]) -> Iterator[str]:
    for norm, eps in threat["eps"].items():
        yield f"{norm}, eps {_eps(eps)}"
    low, high = threat["pixels"]
    yield f"pixels in [{low:g}, {high:g}]; eps and pixels were checked on every attacked image"
    yield f"untargeted: away from the {' or '.join(threat['label'])} label"
    for source in threat["source"]:
        if source == "self":
            yield "white-box: the attacker knows the net's weights and defenses, and takes gradients through both"
        elif source in threat["attacked"]:
            yield f"crafted on {source}, with its weights and gradients: white-box for it, black-box for the others"
        else:
            yield f"black-box: images crafted on {source}, with its weights and gradients, the attacked net not asked"


def _attacks(attacks: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> Iterator[str]:
    several = len({source for attack in attacks for source in attack["source"]}) > 1
    for attack in attacks:
        settings = ", ".join(f"{name} {_value(value)}" for name, value in attack["settings"].items())
        whole = data["whole"] and attack["n"] == data["n"]
        images = f"all {attack['n']:,} test images" if whole else f"the first {attack['n']:,} test images"
        crafted = f", crafted on {', '.join(attack['source'])}" if several else ""
        yield (
            f"**{attack['attack']}** (`{attack['class']}`): {attack['norm']}, eps {_eps(attack['eps'])}, away from the "
            f"{attack['label']} label{crafted}, on {images}; {settings}; at most "
            f"{attack['forward_passes']:,} forward and {attack['backward_passes']:,} backward passes an image"
        )


def _net(net: Mapping[str, Any]) -> Iterator[str]:
    for defense, gradient in net["defenses"].items():
        role = "acts in training alone" if gradient is None else f"acts on every input; its gradient: {gradient}"
        yield f"defense `{defense}`: {role}"
    if not net["defenses"]:
        yield "no defense"
    for layer, gradient in net["layers"].items():
        yield f"{layer}: its gradient: {gradient}"
    yield "randomised" if net["randomised"] else "not randomised: the same images twice gave the same logits"
    yield f"SHA-256 of the weights `{net['sha256']}`"


def _data(data: Mapping[str, Any]) -> Iterator[str]:
    images = "all" if data["whole"] else "the first"
    shape = "×".join(map(str, data["shape"]))
    yield f"{data['name']}: {images} {data['n']:,} images of the test split, {shape}, {data['num_classes']} classes"
    yield f"SHA-256 of these images and their labels `{data['sha256']}`"


def _run(run: Mapping[str, Any]) -> Iterator[str]:
    yield f"seed {run['seed']}, of the training {', '.join(map(str, run['training_seed']))}"
    yield f"begun {run['started']}, took {timedelta(seconds=round(run['seconds']))} (h:mm:ss)"
    yield f"git commit {run['commit']}" if run["commit"] else "git commit not known"
    yield ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    machine = run["hardware"]
    gpu = machine["gpu"] or "no GPU used"
    work = f"processes {machine['processes']}, threads of each {machine['threads']}"
    yield f"{machine['cpu']}, cores {machine['cores']}; {work}; {gpu}"
    yield str(machine["system"])


def _eps(grid: Sequence[float]) -> str:
    return ", ".join(map(eps_word, grid))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
