"""What an attack evaluation has done so far, on disk, for it to go on from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hardlight.evaluation.run_folder import write_whole


class Unfinished:
    """The finished rows of an evaluation in ``folder``, each process's own in a file of its own.

    ``of`` says all that the rows follow from, such as weights and attacks: those of anything else are not taken up.
    """

    def __init__(self, folder: Path, of: Iterable[str], rank: int = 0) -> None:
        self.folder = folder
        self.name = f".attacked-{hashlib.sha256('|'.join(of).encode()).hexdigest()[:16]}"
        self.rank = rank
        found = [pd.read_parquet(path) for path in sorted(folder.glob(f"{self.name}-*.parquet"))]
        rows = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
        self._found = dict(iter(rows.groupby(["attack", "eps"]))) if len(rows) else {}

    def rows(self, attack: str, eps: float, index: Iterable[int]) -> pd.DataFrame | None:
        """The rows of the images ``index``, in that order; None unless all of them are there."""
        found = self._found.get((attack, eps))
        if found is None:
            return None
        rows = found.drop_duplicates("index").set_index("index", drop=False).reindex(list(index))
        return None if rows["attack"].isna().any() else rows.astype(found.dtypes).reset_index(drop=True)

    def keep(self, rows: pd.DataFrame) -> None:
        """Writes all that this process has finished."""
        path = self.folder / f"{self.name}-{self.rank}.parquet"
        write_whole(path, lambda temporary: rows.to_parquet(temporary, index=False))

    def forget(self) -> None:
        """Removes what is on disk, now that the evaluation is finished; also what was left of others."""
        for path in self.folder.glob(".attacked-*.parquet"):
            path.unlink()
