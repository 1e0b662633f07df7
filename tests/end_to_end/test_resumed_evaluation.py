"""An evaluation that was interrupted keeps what it had finished, and ends as if it had not been."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from finished_run import Run

from hardlight.attacks import PGD, Outcome
from hardlight.cli import main

ATTACKS = ["attack=[fgsm,pgd]", "attack.pgd.steps=3", "attack.pgd.restarts=2", "data.eval_batch_size=4"]
QUIET = ["evaluation.gallery=2", "name=attacked"]


def evaluated(outputs: Path, words: list[str], code: int = 0) -> Path:
    assert main(["evaluate", *words, f"paths.outputs={outputs}"]) == code
    (folder,) = (outputs / "attacked").iterdir()
    return folder


def test_it_goes_on_where_it_stopped(
    trained: Run, npz, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [trained.ckpt, *npz["gray"], *ATTACKS, *QUIET]
    whole = evaluated(tmp_path / "whole", words)
    ran: list[float] = []
    run = PGD.run

    def counted(self: PGD, *args: Any, **more: Any) -> Outcome:
        ran.append(self.eps)
        if len(ran) == 8:  # the second eps of the third batch
            raise RuntimeError("stopped")
        return run(self, *args, **more)

    monkeypatch.setattr(PGD, "run", counted)
    stopped = evaluated(tmp_path / "stopped", words, code=1)
    assert not (stopped / "records.csv").exists()
    ran[:] = [0.0] * 100
    began = (stopped / ".hydra" / "overrides.yaml").read_text()
    assert main(["evaluate", f"resume={stopped}"]) == 0
    # 4 batches at 3 eps; of the 7 that were done, the first batch's 3 are drawn in the gallery, and so done again
    assert len(ran) - 100 == 12 - 7 + 3
    pd.testing.assert_frame_equal(*(Run(each).samples.drop(columns="run") for each in (whole, stopped)))
    records = [Run(each).records.drop(columns=["run", "seconds"]) for each in (whole, stopped)]
    pd.testing.assert_frame_equal(*records, check_exact=True)
    assert not list(stopped.glob(".attacked*"))
    assert (stopped / ".hydra" / "overrides.yaml").read_text() == began
    assert main(["evaluate", f"resume={stopped}"]) == 2
    assert "that is finished" in capsys.readouterr().err


def test_rows_of_other_weights_or_attacks_are_not_taken_up(tmp_path: Path) -> None:
    from hardlight.evaluation.unfinished import Unfinished

    rows = pd.DataFrame({"attack": "pgd", "eps": 0.1, "index": [4, 2], "label": [0, 1]})
    Unfinished(tmp_path, ["weights", "attacks"]).keep(rows)
    Unfinished(tmp_path, ["weights", "attacks"], rank=1).keep(rows.assign(index=[7, 9]))
    same = Unfinished(tmp_path, ["weights", "attacks"])
    found = same.rows("pgd", 0.1, [2, 7, 4])
    assert found is not None
    assert found["index"].tolist() == [2, 7, 4]
    assert found["label"].tolist() == [1, 0, 0]
    assert dict(found.dtypes) == dict(rows.dtypes)
    assert same.rows("pgd", 0.1, [2, 3]) is None
    assert same.rows("pgd", 0.2, [2]) is None
    assert Unfinished(tmp_path, ["weights", "others"]).rows("pgd", 0.1, [2]) is None
    same.forget()
    assert not list(tmp_path.iterdir())


CODE = ["model._target_=os.abort", "model.path=os:abort", "++model.path=os:abort", "model={path:os:abort}"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["resume={empty}"], "there is no evaluation to go on with"),
        (["resume={empty}", "seed=1"], "seed=1: an evaluation goes on with its own settings"),
        (["-m", "resume={empty}"], "an evaluation goes on alone"),
        *(
            ([f"resume={{{at}}}"], "runs code of yours; if you trust it, add 'trust=[ITS_PACKAGE]'")
            for at in range(len(CODE))
        ),
    ],
)
def test_what_cannot_be_gone_on_with(words, sentence, tmp_path: Path, capsys, empty_folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    for at, code in enumerate(CODE):
        (tmp_path / f"{at}" / ".hydra").mkdir(parents=True)
        (tmp_path / f"{at}" / ".hydra" / "overrides.yaml").write_text(f"- trust=[os]\n- '{code}'\n")
    folders = [tmp_path / f"{at}" for at in range(len(CODE))]
    assert main(["evaluate", *(word.format(*folders, empty=tmp_path / "empty") for word in words)]) == 2
    assert sentence in capsys.readouterr().err
    assert not list((tmp_path / "empty").iterdir())
    assert not list(empty_folder.iterdir())
