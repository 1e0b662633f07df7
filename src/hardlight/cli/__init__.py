"""``hardlight VERB …``: the verb's Hydra main; the one place that turns an error into a sentence and an exit code."""

import io
import os
import sys
import traceback

from hardlight.cli.as_found import as_found
from hardlight.cli.lock import is_first_process
from hardlight.cli.texts import program_help, verb_help, version
from hardlight.errors import JobsFailed, RunFailed
from hardlight.interruption import Interrupted, interruptible

GOOD, BUG, MISTAKE, SIGNALLED = 0, 1, 2, 128


def main(argv: list[str]) -> int:
    """One call of the program; leaves the process's state as found, whatever happens. Returns the exit code."""
    with as_found(), interruptible():
        try:
            _dispatch(argv)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader, such as head, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except Interrupted as stop:
            return _fail(str(stop), SIGNALLED + stop.signum)
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else BUG if stop.code else GOOD
        except JobsFailed as error:
            return _fail(str(error), BUG)
        except Exception as error:
            return _told(error)
    return GOOD


def entry() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without · or – is shown a ?
    sys.exit(main(sys.argv[1:]))


def _dispatch(argv: list[str]) -> None:
    if not argv or argv[0] in ("--help", "-h"):
        print(program_help())
    elif argv[0] == "--version":
        print(version())
    elif argv[0] in ("-sc", "--shell-completion"):
        from hardlight.cli.completion import complete

        complete(argv)
    else:
        from hardlight.cli.arguments import Arguments

        arguments = Arguments.parse(argv)
        if arguments.help:
            print(verb_help(arguments.verb, arguments.config_dir))
        else:
            from hardlight.cli.launch import launch

            launch(arguments)


def _told(error: Exception) -> int:
    from hardlight.cli.wording import mistake

    sentence = mistake(error)
    if sentence:
        return _fail(sentence, BUG if isinstance(error, RunFailed | OSError) else MISTAKE)
    if is_first_process():
        traceback.print_exception(error)
    return _fail(f"a bug, in hardlight or in code given to it: {type(error).__name__}", BUG)


def _fail(sentence: str, code: int) -> int:
    if is_first_process():
        print(f"hardlight: {' '.join(sentence.split())}", file=sys.stderr)
    return code
