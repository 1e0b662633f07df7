"""What the program says about itself; read from conf/, so that it is never out of date. Imports nothing heavy."""

import re
from pathlib import Path

import hardlight
from hardlight.config import conf_folder

VERBS = {
    "train": "train one net with its defenses, attack it, report how robust it is",
    "evaluate": "attack a trained net, white-box, or black-box with images crafted on another",
}

EXAMPLES = """\
  hardlight train
  hardlight train data=mnist model=cnn activation=brelu 'defense=[gda]'
  hardlight train -m 'defense=[],[gda],[at]' seed=0,1,2
  hardlight evaluate ckpt=PATH 'attack=[fgsm,pgd]'"""


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
    return f"""\
hardlight {verb}: {VERBS[verb]}.

Usage: hardlight {verb} [GROUP=OPTION …] [KEY=VALUE …] [-m] [--cfg job] [--config-dir DIR]

Groups, and their options:
{_groups(defaults, config_dir)}

Settings, and their defaults:
{_indent(settings)}

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
