import os

import pandas as pd
import pytest
from sample_rows import attacked, clean_rows, summed

from hardlight.evaluation import run_folder
from hardlight.evaluation.run_folder import read_records, read_samples, write_records, write_samples


def rows(run="a", right=(1, 0, 1), **facts):
    clean = [1, 1, 1]
    return summed(clean_rows(clean, run=run), attacked("fgsm", 0.1 + 0.2, clean, right, run=run), **facts)


def test_read_back_as_written(tmp_path):
    samples, records = rows(defense="none", activation="null")  # words that a CSV reader takes for nothing
    write_records(records, tmp_path)
    write_samples(samples, tmp_path)
    # Every digit comes back: 0.1 + 0.2 is not 0.3.
    pd.testing.assert_frame_equal(read_records(tmp_path), records, check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(read_samples(tmp_path), samples, check_exact=True, check_dtype=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records.csv", "samples.parquet"]


def test_a_second_writing_adds_and_replaces(tmp_path):
    for samples, records in (rows(), rows(run="b"), rows(right=(0, 0, 0))):
        write_records(records, tmp_path)
        write_samples(samples, tmp_path)
    records = read_records(tmp_path)
    robust = records[(records["attack"] == "fgsm") & (records["metric"] == "robust_accuracy")]
    assert robust.set_index("run")["value"].to_dict() == {"a": 0, "b": 2 / 3}
    assert len(read_samples(tmp_path)) == 12


def test_a_sweep_is_read_whole(tmp_path):
    for run in ("b", "a"):
        write_records(rows(run=run)[1], tmp_path / "sweep" / run)
    assert list(read_records(tmp_path)["run"].unique()) == ["a", "b"]
    assert list(read_records(tmp_path / "sweep" / "b", tmp_path / "sweep" / "a")["run"].unique()) == ["b", "a"]
    with pytest.raises(ValueError, match=r"no records\.csv in or below .*empty"):
        read_records(tmp_path / "sweep", tmp_path / "empty")


def test_the_jobs_of_a_sweep_stay_in_their_order(tmp_path):
    jobs = ["0_defense-none", "2_defense-gda", "10_defense-at"]
    for job in reversed(jobs):
        write_records(rows(run=job)[1], tmp_path / job)
    assert list(read_records(tmp_path)["run"].unique()) == jobs


def test_a_crash_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_records(rows()[1], tmp_path)
    before = path.read_bytes()

    def crash(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="disk full"):
        write_records(rows(run="b")[1], tmp_path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["records.csv"]


def test_a_foreign_csv_is_refused(tmp_path):
    (tmp_path / "records.csv").write_text("run,value\na,1\n")
    with pytest.raises(ValueError, match="must have the columns run, data"):
        run_folder.read_records(tmp_path)
