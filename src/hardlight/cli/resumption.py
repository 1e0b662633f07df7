"""Going on with what was interrupted: in which folder, known before Hydra makes one, and with which words."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from hardlight.cli.arguments import Arguments
from hardlight.cli.lock import is_first_process
from hardlight.errors import UserError
from hardlight.verbs.shown import shown

NAMED_BY = {"train": "ckpt", "evaluate": "resume"}
MAY_CHANGE = ("ckpt=", "resume=", "trust=", "trainer.", "logger", "paths.data=", "hydra.")


def taken_up(arguments: Arguments) -> tuple[Arguments, Path | None]:
    """What to do, and the folder of the run or evaluation to go on with, if it is one.

    UserError where it cannot go on, or not with the settings it began with.
    """
    named = _value(arguments, NAMED_BY.get(arguments.verb, ""))
    if not named:
        return arguments, None
    what = "a run" if arguments.verb == "train" else "an evaluation"
    if arguments.multirun:
        raise UserError(f"{what} goes on alone: leave out -m and give one {NAMED_BY[arguments.verb]}")
    words = arguments.overrides
    folder = _run(Path(named)) if arguments.verb == "train" else Path(named).absolute()
    if is_first_process():  # whose words the others get
        for word in words:
            if word.lstrip("+~").startswith("hydra.run.dir="):
                raise UserError(f"{word}: {what} goes on in its own folder; leave that out")
            if not word.lstrip("+~").startswith(MAY_CHANGE):
                raise UserError(
                    f"{word}: {what} goes on with its own settings, so that it stays one experiment; "
                    "only trainer.…, logger and paths.data may change, or start a new one"
                )
        if arguments.verb == "evaluate":
            words = [*_began_with(folder, _value(arguments, "trust") or []), *words]
    # What began it stays in its .hydra.
    return replace(arguments, overrides=[*words, "hydra.output_subdir=null"]), folder


def _run(ckpt: Path) -> Path:
    from hardlight.build.checkpoint import read_checkpoint  # and torch with it, which nothing else needs so early

    read_checkpoint(ckpt)
    if ckpt.name != "last.ckpt":
        last = ckpt.with_name("last.ckpt")
        instead = f"take ckpt={last}" if last.is_file() else "only last.ckpt is"
        raise UserError(f"{ckpt.name} is no place to go on from: what came after it would be lost; {instead}")
    return ckpt.parent.absolute()


def _began_with(folder: Path, trust: list[Any]) -> list[str]:
    """The words of the evaluation in ``folder``, those that name code only where it is trusted."""
    file = folder / ".hydra" / "overrides.yaml"
    if not file.is_file():
        raise UserError(f"resume={folder}: there is no evaluation to go on with; give the folder it was writing to")
    if (folder / "records.csv").is_file():
        raise UserError(f"resume={folder}: that is finished, its records are there")
    words = [word for word in map(str, OmegaConf.load(file)) if not word.startswith("trust=")]
    for word in words:
        names_code = "_target_" in word or re.match(r"\+*model(\.path=|=\{)", word)
        if names_code and not any(str(each) in word for each in trust):
            raise UserError(f"resume={folder}: {word} runs code of yours; if you trust it, add 'trust=[ITS_PACKAGE]'")
    return words


def go_on(verb: str, folder: Path) -> str | None:
    """The command that takes up again what was interrupted in ``folder``, if it has come far enough for one.

    Whatever was being imported then cannot be imported now: this needs none of it.
    """
    if verb == "train" and (folder / "last.ckpt").is_file():
        return f"hardlight train ckpt={shown(folder / 'last.ckpt')}"
    if verb == "evaluate" and any(folder.glob(".attacked-*")):
        return f"hardlight evaluate resume={shown(folder)}"
    return None


def _value(arguments: Arguments, key: str) -> Any:
    """What the words say of ``key``; words that are no overrides are told elsewhere."""
    for word in arguments.overrides:
        if word.startswith(f"{key}="):
            return OverridesParser.create().parse_override(word).value()
    return None
