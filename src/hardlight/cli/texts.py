"""What the program says about itself; read from conf/, so that it is never out of date. Imports nothing heavy."""

import re
import textwrap
from pathlib import Path

import hardlight
from hardlight.config import conf_folder

VERBS = {
    "train": "train one net with its defenses, attack it, report how robust it is",
    "evaluate": "attack a trained net, white-box or with images crafted on another",
    "transfer": "craft images on each of several nets, test them on all",
    "compare": "what differs between two runs, sample by sample",
}
BARE_WORDS = {"compare": "runs"}  # the setting that words without a name stand for
NEEDED = {"evaluate": " ckpt=PATH", "transfer": " 'models={NAME: PATH, NAME: PATH}'", "compare": " RUN RUN"}
WIDTH = 80

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
{textwrap.fill(str(hardlight.__doc__), WIDTH)}

Usage: hardlight VERB [GROUP=OPTION …] [KEY=VALUE …]

Verbs:
{verbs}

Examples:
{EXAMPLES}

Next:
  hardlight VERB --help      its groups, options and settings
  hardlight VERB --cfg job   every setting, with the values a run would have
  eval "$(hardlight -sc install=bash)"   completion by the tab key; or zsh, fish
  hardlight --version"""


def verb_help(verb: str, config_dir: Path | None = None) -> str:
    """A verb's groups with their options, the default marked, and its top-level settings with their comments."""
    text = (conf_folder() / f"{verb}.yaml").read_text(encoding="utf-8")
    defaults = dict(re.findall(r"^  - (\w+): (\S.*?)\s*(?:#.*)?$", text, re.MULTILINE))
    settings = re.split(r"^\S*defaults:\n(?:[ #].*\n)+", text, flags=re.MULTILINE)[-1].strip("\n")
    groups = _groups(defaults, config_dir)
    usage = f"Usage: hardlight {verb}{NEEDED.get(verb, '')}"
    options = "[GROUP=OPTION …] [KEY=VALUE …] [-m]" if groups else "[KEY=VALUE …]"
    parts = [
        textwrap.fill(f"hardlight {verb}: {VERBS[verb]}.", WIDTH),
        f"{usage}\n       {options} [--cfg job] [--config-dir DIR]",
        *([f"Groups, and their options:\n{groups}"] if groups else []),
        f"Settings, and their defaults:\n{_wrapped(settings)}",
        *([_AFTER_GROUPS.format(verb=verb)] if groups else []),
    ]
    return "\n\n".join(parts)


_AFTER_GROUPS = """\
Every group has settings of its own, such as attack.pgd.steps=100;
hardlight {verb} --cfg job shows them all.
Several values and -m make a run of each: -m seed=0,1,2
Quote what has brackets: 'attack=[fgsm,pgd]'"""


def _groups(defaults: dict[str, str], config_dir: Path | None) -> str:
    lines = []
    for group, default in defaults.items():
        if group in ("hydra", "paths"):
            continue
        folders = [folder / group for folder in (conf_folder(), config_dir) if folder]
        options = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
        lines.append(
            textwrap.fill(" ".join(options), WIDTH, initial_indent=f"  {group:<12}", subsequent_indent=" " * 14)
        )
        lines.append(f"  {'':<12}default: {default}")
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    """Indented, a comment too long for its line going on below itself."""
    lines = []
    for line in text.splitlines():
        setting, mark, comment = f"  {line}".partition("# ")
        below = " " * len(setting) + mark
        lines.append(textwrap.fill(comment, WIDTH, initial_indent=setting + mark, subsequent_indent=below) or setting)
    return "\n".join(line.rstrip() for line in lines)
