"""``train ckpt=RUN/last.ckpt``: the folder to go on in, known before Hydra makes one."""

from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from hardlight.cli.arguments import Arguments
from hardlight.errors import UserError
from hardlight.verbs.shown import shown

MAY_CHANGE = ("ckpt", "trust", "trainer.", "logger", "paths.data", "hydra.")


def resumed_folder(arguments: Arguments) -> Path | None:
    """The run's folder if ``arguments`` go on with a run; UserError where it cannot be, or with other settings."""
    if arguments.verb != "train":
        return None
    words = [_parsed(text) for text in arguments.overrides]
    ckpt = next((word.value() for word in words if word and word.key_or_group == "ckpt"), None)
    if not ckpt:
        return None
    if arguments.multirun:
        raise UserError("a run goes on alone: leave out -m and give one ckpt")
    file = Path(str(ckpt))
    if not file.is_file():
        from hardlight.build.checkpoint import read_checkpoint

        read_checkpoint(file)  # which tells what is near
    if file.name != "last.ckpt":
        last = file.with_name("last.ckpt")
        instead = f"take ckpt={last}" if last.is_file() else "only last.ckpt is"
        raise UserError(f"{file.name} is no place to go on from: what came after it would be lost; {instead}")
    for word in words:
        if word and not str(word.key_or_group).startswith(MAY_CHANGE):
            raise UserError(
                f"{word.input_line}: a run goes on with its own settings, so that it stays one experiment; "
                "only trainer.…, logger and paths.data may change, or start a new run"
            )
    return file.parent.absolute()


def go_on(verb: str, folder: Path) -> str | None:
    """The command that takes up again what was interrupted in ``folder``, if it has come far enough for one.

    Whatever was being imported then cannot be imported now: this needs none of it.
    """
    last = folder / "last.ckpt"
    return f"hardlight train ckpt={shown(last)}" if verb == "train" and last.is_file() else None


def _parsed(text: str) -> Override | None:
    """None for what is no override, which is told elsewhere."""
    try:
        return OverridesParser.create().parse_override(text)
    except Exception:
        return None
