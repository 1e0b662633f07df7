"""The words after the verb, sorted into overrides and Hydra's flags wherever they stand."""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.types import Quote, QuotedString

from hardlight.checks import suggestion
from hardlight.cli.texts import BARE_WORDS, VERBS
from hardlight.errors import UserError


@dataclass(frozen=True)
class Arguments:
    """One call: ``search`` are the flags that say where configuration is found, ``flags`` those and all others."""

    verb: str
    overrides: list[str]
    flags: list[str]
    search: list[str]
    help: bool
    multirun: bool
    package: str | None
    config_name: str
    config_dir: Path | None

    @classmethod
    def parse(cls, argv: list[str]) -> "Arguments":
        """``argv`` begins with the verb; UserError on an unknown verb, an unknown flag, a missing folder."""
        verb, *words = argv
        if verb not in VERBS:
            raise UserError(f"there is no verb {verb!r}{suggestion(verb, VERBS)} (verbs: {', '.join(VERBS)})")
        found = _parse(words)
        if found.config_path or found.experimental_rerun:
            raise UserError("hardlight keeps its own conf folder; add yours beside it with --config-dir DIR")
        modes = [f"--{name}" for name in ("run", "multirun", "cfg", "info") if getattr(found, name)]
        if len(modes) > 1:
            raise UserError(f"{' and '.join(modes)} do not go together")
        if found.resolve and not found.cfg:
            raise UserError("--resolve goes with --cfg, as in --cfg job --resolve")
        folder = None if found.config_dir is None else Path(found.config_dir).absolute()
        if folder and not folder.is_dir():
            raise UserError(f"--config-dir {found.config_dir}: there is no folder {folder}")
        search = [f"--config-dir={folder}"] if folder else []
        search += [f"--config-name={found.config_name}"] if found.config_name else []
        switches = ("multirun", "resolve", "run", "hydra_help")
        flags = [f"--{name.replace('_', '-')}" for name in switches if getattr(found, name)]
        flags += [f"--{name}={getattr(found, name)}" for name in ("cfg", "package", "info") if getattr(found, name)]
        return cls(
            verb=verb,
            overrides=_named(verb, found.overrides),
            flags=search + flags,
            search=search,
            help=found.help,
            multirun=found.multirun or "hydra.mode=MULTIRUN" in found.overrides,
            package=found.package,
            config_name=found.config_name or verb,
            config_dir=folder,
        )


def _parse(words: list[str]) -> argparse.Namespace:
    parser = get_args_parser()
    parser.allow_abbrev = False
    known = [option for action in parser._actions for option in action.option_strings]

    def refuse(message: str) -> NoReturn:
        unknown = next((word for word in words if word.startswith("-") and word.split("=")[0] not in known), None)
        raise UserError(f"there is no flag {unknown}{suggestion(unknown, known)}" if unknown else message)

    parser.error = refuse  # type: ignore[method-assign]  # Hydra made the parser
    return parser.parse_intermixed_args(words)


def _named(verb: str, words: list[str]) -> list[str]:
    """``words`` as overrides, those without a name put under the setting that they stand for."""
    bare = [word for word in words if Path(word).exists() or not ("=" in word or word.startswith("~"))]
    if verb not in BARE_WORDS or not bare:
        return words
    key = BARE_WORDS[verb]
    if twice := next((word for word in words if word.lstrip("+").startswith(f"{key}=")), None):
        raise UserError(f"{twice} and {bare[0]} both say what {key} is: give it once")
    return [f"{key}=[{','.join(map(_quoted, bare))}]", *(word for word in words if word not in bare)]


def _quoted(word: str) -> str:
    """``word`` as itself, whatever Hydra's grammar or an interpolation would make of it."""
    plain = re.sub(r"(\\*)\$\{", r"\1\1\\${", word)
    return QuotedString(plain, Quote.single).with_quotes()
