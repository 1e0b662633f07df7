"""Checks a call, then hands it to Hydra, job by job."""

import os
import sys

import hydra

from hardlight import config
from hardlight.cli.arguments import Arguments
from hardlight.cli.as_found import own_hydra
from hardlight.cli.check import check
from hardlight.cli.jobs import Jobs
from hardlight.cli.resumption import taken_up
from hardlight.errors import UserError


def launch(arguments: Arguments) -> None:
    """Raises the user's mistakes before anything is written, and what a job raised."""
    config.register()
    arguments, resumed = taken_up(arguments)
    config.Launch.start(arguments.verb, arguments.overrides, arguments.flags, resumed)
    with own_hydra():
        check(arguments)
    jobs = Jobs(arguments)
    sys.path.append(os.getcwd())  # a net, defense or attack of the user's own
    os.environ["HYDRA_FULL_ERROR"] = "1"  # its errors come out to the caller
    sys.argv[:] = ["hardlight", *arguments.flags, *arguments.overrides]
    with own_hydra():
        try:
            hydra.main(str(config.conf_folder()), arguments.config_name, version_base="1.3")(jobs.run)()
        except OSError as error:  # Hydra's own: a job's are kept by jobs
            if error.filename is None:
                raise
            wanted = "set paths.outputs to a folder that can be written"
            raise UserError(f"{error.filename} cannot be made: {error.strerror}; {wanted}") from error
        finally:
            jobs.summarise()
    jobs.raise_if_failed()
