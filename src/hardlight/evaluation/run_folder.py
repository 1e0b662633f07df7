"""A run's rows on disk: ``records.csv`` and ``samples.parquet``, each written whole or not at all."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from hardlight.evaluation.columns import RECORD_COLUMNS, SAMPLE_COLUMNS

RECORD_KEY = ["run", "form", "source", "attack", "norm", "eps", "metric"]
SAMPLE_KEY = ["run", "source", "attack", "norm", "eps", "index"]
NUMBERS = {
    "seed": "int64",
    "eps": "float64",
    "value": "float64",
    "n": "int64",
    "n_broken": "Int64",
    "ci_low": "float64",
    "ci_high": "float64",
    "seconds": "float64",
}


def write_records(records: pd.DataFrame, folder: str | Path) -> Path:
    """Add ``records`` to the folder's ``records.csv``; a row measured anew replaces the old one.

    One process at a time may write to a folder; any may read.
    """
    path = Path(folder) / "records.csv"
    rows = _added(path, records, RECORD_KEY, _read_csv)[list(RECORD_COLUMNS)]
    return write_csv(rows, path)


def write_csv(rows: pd.DataFrame, path: Path) -> Path:
    """``rows`` as a table, whole or not at all."""
    return write_whole(path, lambda temporary: rows.to_csv(temporary, index=False))


def write_samples(samples: pd.DataFrame, folder: str | Path) -> Path:
    """Add ``samples`` to the folder's ``samples.parquet``, as ``write_records``; what metrics measured comes last."""
    path = Path(folder) / "samples.parquet"
    rows = _added(path, samples, SAMPLE_KEY, pd.read_parquet)
    rows = rows[[*SAMPLE_COLUMNS, *(column for column in rows if column not in SAMPLE_COLUMNS)]]
    return write_whole(path, lambda temporary: rows.to_parquet(temporary, index=False))


def read_records(*folders: str | Path) -> pd.DataFrame:
    """The records of every run in or below ``folders``, in the order given, then ``in_order``.

    Raises ``ValueError`` for a folder without any.
    """
    return _below(folders, "records.csv", _read_csv)


def read_samples(*folders: str | Path) -> pd.DataFrame:
    """The samples of every run in or below ``folders``, as ``read_records``."""
    return _below(folders, "samples.parquet", pd.read_parquet)


def in_order(paths: Iterable[Path]) -> list[Path]:
    """By path, what numbers it holds counted as numbers: the jobs of a sweep as they ran, 10 after 9."""
    return sorted(paths, key=_parts)


def _parts(path: Path) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", str(path))]


def _read_csv(path: Path) -> pd.DataFrame:
    text = {column: "str" for column in RECORD_COLUMNS if column not in NUMBERS}
    frame = pd.read_csv(path, dtype=text | NUMBERS, keep_default_na=False, na_values=NAN, float_precision="round_trip")
    if list(frame) != list(RECORD_COLUMNS):
        raise ValueError(f"{path} must have the columns {', '.join(RECORD_COLUMNS)}, got {', '.join(map(str, frame))}")
    return frame


# Only a number may be missing: a defense or activation called "none" or "null" stays text.
NAN = {column: [""] for column in NUMBERS}


def _below(folders: tuple[str | Path, ...], name: str, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    frames = []
    for folder in folders:
        paths = in_order(Path(folder).rglob(name))
        if not paths:
            raise ValueError(f"no {name} in or below {folder}: give the folder of a run or of a sweep")
        frames += [read(path) for path in paths]
    if not frames:
        raise ValueError("give the folder of at least one run")
    return pd.concat(frames, ignore_index=True)


def _added(path: Path, new: pd.DataFrame, key: list[str], read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    rows = pd.concat([read(path), new], ignore_index=True) if path.exists() else new
    return rows.drop_duplicates(key, keep="last")


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """``write`` to a file beside ``path``, then rename: a reader or a crash never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")  # what a killed process left there is written over
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # a full disk names no file
        raise OSError(error.errno, reason, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
