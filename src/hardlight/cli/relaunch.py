"""What Lightning needs to start a job's further processes of DDP, and their orderly end."""

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict, read_write

import __main__
from hardlight.cli.arguments import Arguments
from hardlight.interruption import Interrupted

PATIENCE = 30  # seconds for a child to end by itself


@contextmanager
def relaunchable(arguments: Arguments) -> Iterator[None]:
    """Lightning starts ``__main__.__spec__`` or sys.argv[0] again, adding this job's hydra.run.dir."""
    hydra = HydraConfig.instance().cfg
    assert hydra is not None
    job = hydra.hydra  # type: ignore[attr-defined]  # what it holds is the whole configuration
    with read_write(job.run), open_dict(job.run):
        job.run.dir = job.runtime.output_dir
    searchpath = [text for text in job.overrides.hydra if text.startswith("hydra.searchpath")]
    spec = importlib.util.find_spec("hardlight.__main__")
    assert spec is not None
    sys.argv[:] = [str(spec.origin), arguments.verb, *arguments.search, *searchpath, *job.overrides.task]
    before = __main__.__spec__
    __main__.__spec__ = spec
    try:
        yield
    finally:
        __main__.__spec__ = before


@contextmanager
def children_ended() -> Iterator[None]:
    """Leaves the process group and waits for the processes that Lightning started, also after an error.

    One that was interrupted tells them to stop.
    """
    interrupted = False
    try:
        yield
    except Interrupted:
        interrupted = True
        raise
    finally:
        distributed = sys.modules.get("torch.distributed")
        if distributed and distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        for thread in threading.enumerate():
            if thread.name == "child-process-observer":
                children = list(thread._child_processes)  # type: ignore[attr-defined]  # Lightning's thread
                thread._child_processes.clear()  # type: ignore[attr-defined]  # else a failed child kills the sweep
                for child in children:
                    if interrupted:
                        child.terminate()
                    _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
