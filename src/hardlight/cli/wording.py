"""Errors of Hydra and OmegaConf in one sentence each."""

import errno
import re
from collections.abc import Iterator

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import YAMLError  # type: ignore[import-untyped]  # comes without types

from hardlight.errors import RunFailed, UserError

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES)


def mistake(error: BaseException) -> str | None:
    """The user's mistake behind ``error``, in one sentence; None if it is a bug."""
    for reason in _reasons(error):
        if isinstance(reason, UserError):
            return str(reason)
        if isinstance(reason, RunFailed):
            return str(reason)
        if isinstance(reason, OSError) and reason.errno in DISK:
            return f"{reason.filename or 'a file'}: {reason.strerror}; what had been written before is kept"
        if isinstance(reason, YAMLError):
            return f"a configuration file is no YAML: {reason}"
        if isinstance(reason, InterpolationResolutionError | InterpolationKeyError | MissingMandatoryValue):
            return omegaconf_sentence(reason)
        if isinstance(reason, InstantiationException) and isinstance(reason.__cause__, ValueError):
            key = re.search(r"full_key: (\S+)", str(reason))
            return f"{key.group(1)}: {reason.__cause__}" if key else str(reason.__cause__)
        if isinstance(reason, HydraException) and not isinstance(reason, InstantiationException):
            return str(reason).splitlines()[0]
    return None


def omegaconf_sentence(error: OmegaConfBaseException) -> str:
    """Which setting it is, and what is wrong with it."""
    key, said = error.full_key, str(error.msg or error).splitlines()[0]
    if isinstance(error, MissingMandatoryValue):
        return f"{key} has no value yet: give {key}=VALUE"
    missing = re.search(r"Interpolation key '(.+?)' not found", said)
    if missing:
        return f"{key} refers to ${{{missing.group(1)}}}, which is not set"
    return f"{key}: {said}"


def _reasons(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
