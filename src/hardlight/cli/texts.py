"""What the program says about itself; read from conf/, so that it is never out of date. Imports nothing heavy."""

import re
from pathlib import Path

import hardlight
from hardlight.config import conf_folder

VERBS = {
    "train": "train one net with its defenses, attack it, report how robust it is",
    "evaluate": "attack a trained net, white-box, or black-box with images crafted on another",
    "transfer": "craft images on each of several nets, test them on all: a matrix of sources and targets",
    "compare": "what differs between two runs, sample by sample",
}
BARE_WORDS = {"compare": ("runs", "RUN RUN")}  # the setting that words without a name stand for, and what they are

EXAMPLES = """\
  hardlight train
  hardlight train data=mnist model=cnn activation=brelu 'defense=[gda]'
  hardlight train -m 'defense=[],[gda],[at]' seed=0,1,2
  hardlight evaluate ckpt=PATH 'attack=[fgsm,pgd]'
  hardlight transfer 'models={cnn: PATH, resnet: PATH}' 'attack=[fgsm]'
  hardlight compare outputs/RUN outputs/OTHER"""


def version() -> str:
    """The program and its version."""
    return f"hardlight {hardlight.__version__}"


def program_help() -> str:
    """All verbs, a few commands to begin with, and where to look next."""
    verbs = "\n".join(f"  {verb:<10}{line}" for verb, line in VERBS.items())
    return f"""\
{hardlight.__doc__}

Usage: hardlight VERB [GROUP=OPTION …] [KEY=VALUE …]

Verbs:
{verbs}

Examples:
{EXAMPLES}

Next:
  hardlight VERB --help      its groups, options and settings
  hardlight VERB --cfg job   every setting, with the values a run would have
  eval "$(hardlight -sc install=bash)"   completion with the tab key; also zsh and fish
  hardlight --version"""


def verb_help(verb: str, config_dir: Path | None = None) -> str:
    """A verb's groups with their options, the default marked, and its top-level settings with their comments."""
    text = (conf_folder() / f"{verb}.yaml").read_text(encoding="utf-8")
    defaults = dict(re.findall(r"^  - (\w+): (\S.*?)\s*(?:#.*)?$", text, re.MULTILINE))
    settings = re.split(r"^\S*defaults:\n(?:[ #].*\n)+", text, flags=re.MULTILINE)[-1].strip("\n")
    groups = _groups(defaults, config_dir)
    words = f" {BARE_WORDS[verb][1]}" if verb in BARE_WORDS else ""
    options = " [GROUP=OPTION …] [KEY=VALUE …] [-m]" if groups else " [KEY=VALUE …]"
    parts = [
        f"hardlight {verb}: {VERBS[verb]}.",
        f"Usage: hardlight {verb}{words}{options} [--cfg job] [--config-dir DIR]",
        *([f"Groups, and their options:\n{groups}"] if groups else []),
        f"Settings, and their defaults:\n{_indent(settings)}",
        *([_AFTER_GROUPS.format(verb=verb)] if groups else []),
    ]
    return "\n\n".join(parts)


_AFTER_GROUPS = """\
Every group has settings of its own, such as trainer.max_epochs=3: hardlight {verb} --cfg job shows them all.
Several values and -m make a run of each: hardlight {verb} -m seed=0,1,2
Quote what has brackets: hardlight {verb} 'attack=[fgsm,pgd]'"""


def _groups(defaults: dict[str, str], config_dir: Path | None) -> str:
    lines = []
    for group, default in defaults.items():
        if group in ("hydra", "paths"):
            continue
        folders = [folder / group for folder in (conf_folder(), config_dir) if folder]
        options = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
        lines.append(f"  {group:<12}{' '.join(options)}")
        lines.append(f"  {'':<12}default: {default}")
    return "\n".join(lines)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
