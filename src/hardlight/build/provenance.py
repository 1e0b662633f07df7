"""Where a result comes from: the command, the code, the versions, the machine."""

import os
import platform
import re
import shlex
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig

import hardlight
from hardlight.config import Launch

PATIENCE = 10  # seconds for git


@dataclass(frozen=True)
class Provenance:
    """What is known when a job begins; the code may have changed by the time it ends."""

    started: datetime
    command: str
    commit: str | None

    @classmethod
    def now(cls) -> "Provenance":
        """Of the job that is running."""
        return cls(datetime.now().astimezone(), command(), commit(Path(hardlight.__file__).parents[2]))

    def facts(self, device: torch.device, processes: int) -> dict[str, Any]:
        """Plain values for the statement, once the job is done, of what it ran on."""
        return {
            "command": self.command,
            "folder": str(Path.cwd()),
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": (datetime.now().astimezone() - self.started).total_seconds(),
            "commit": self.commit,
            "versions": versions(),
            "hardware": hardware(device, processes),
        }


def command() -> str:
    """What makes this job again, pasted into a shell: of a sweep, this job's part alone."""
    overrides = HydraConfig.get().overrides
    search = [flag for flag in Launch.flags if flag.startswith(("--config-dir", "--config-name"))]
    searchpath = [text for text in overrides.hydra if text.startswith("hydra.searchpath")]
    return shlex.join(["hardlight", Launch.verb, *search, *searchpath, *overrides.task])


def commit(checkout: Path) -> str | None:
    """The commit of a git checkout, and whether its code or conf differ from it; None where there is none to tell."""
    if not (checkout / ".git").exists():
        return None
    git = ["git", "--no-optional-locks", "-C", str(checkout)]
    status = [*git, "status", "--porcelain=v2", "--branch", "--", "src", "conf"]
    try:
        done = subprocess.run(status, capture_output=True, encoding="utf-8", check=True, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    (head,) = (line.split()[-1] for line in lines if line.startswith("# branch.oid"))
    changed = any(not line.startswith("#") for line in lines)
    return f"{head}, with uncommitted changes" if changed else head


def versions() -> dict[str, str]:
    """Of Python, hardlight, and each package that it needs."""
    found = {"python": platform.python_version(), "hardlight": hardlight.__version__}
    with suppress(metadata.PackageNotFoundError):  # hardlight run from its sources, without having been installed
        for text in metadata.requires("hardlight") or []:
            if "extra ==" not in text:
                name = re.split(r"[^\w.-]", text)[0]
                found[name] = metadata.version(name)
    return found


def hardware(device: torch.device, processes: int) -> dict[str, Any]:
    """What the job ran on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "processes": processes,
        "system": platform.platform(),
    }


def _cpu() -> str:
    """Its name where the system tells one."""
    listed = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", listed.read_text() if listed.exists() else "", re.MULTILINE)
    return found.group(1) if found else platform.processor() or platform.machine()
