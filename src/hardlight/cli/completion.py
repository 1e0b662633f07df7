"""Completion with the tab key: the verb by us, all else by Hydra with that verb's configuration."""

import os
import sys

import hydra

from hardlight import config
from hardlight.cli.as_found import own_hydra
from hardlight.cli.texts import VERBS


def complete(argv: list[str]) -> None:
    """``-sc install=SHELL``, uninstall=SHELL, or query=SHELL of COMP_LINE up to COMP_POINT."""
    config.register()
    verb = "train"
    if argv[-1].startswith("query="):
        line = os.environ.get("COMP_LINE", "")
        line = line[: int(os.environ.get("COMP_POINT") or len(line))]
        words = line.split()
        if len(words) < 2 or (len(words) == 2 and not line.endswith(" ")):
            begun = words[1] if len(words) == 2 else ""
            print(" ".join(name for name in VERBS if name.startswith(begun)))
            return
        program, verb, *rest = line.split(maxsplit=2)
        if verb not in VERBS:
            return
        os.environ["COMP_LINE"] = " ".join([program, *rest]) if rest else f"{program} "
    sys.argv[:] = ["hardlight", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with own_hydra():
        hydra.main(str(config.conf_folder()), verb, version_base="1.3")(lambda cfg: None)()
