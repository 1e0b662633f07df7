"""The rows of one run, out of its folder."""

from pathlib import Path

from hardlight.evaluation.comparison import Rows
from hardlight.evaluation.run_folder import read_records, read_samples

NAMED = 8  # runs of a sweep that an error lists, at most


def one_run(folder: str | Path) -> Rows:
    """The records and samples of the one run in or below ``folder``.

    Raises ``ValueError`` where there is none, or more than one.
    """
    folder = Path(folder)
    if folder.is_file():
        raise ValueError(f"{folder} is a file: give the folder of its run, {folder.parent}")
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    found = sorted(file.parent for file in folder.rglob("records.csv"))
    if len(found) > 1:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise ValueError(f"{folder} holds several runs; give one of {', '.join(map(str, found[:NAMED]))}{more}")
    rows = Rows(read_records(folder), read_samples(folder))
    runs = rows.records["run"].unique()
    if len(runs) > 1:
        raise ValueError(f"{folder} holds several runs in one file ({', '.join(runs[:NAMED])}); give the folder of one")
    return rows
