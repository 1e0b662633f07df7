import pytest
from sample_rows import clean_rows, summed

from hardlight.evaluation.one_run import one_run
from hardlight.evaluation.run_folder import write_records, write_samples


def write(folder, *names):
    samples, records = summed(*(clean_rows([1, 0], run=name) for name in names))
    write_samples(samples, folder)
    write_records(records, folder)


def test_a_run_in_or_below_a_folder(tmp_path):
    write(tmp_path / "gda" / "today", "a")
    for folder in (tmp_path / "gda" / "today", tmp_path / "gda"):
        rows = one_run(folder)
        assert rows.records["run"].tolist() == ["a"]
        assert rows.samples["index"].tolist() == [0, 1]


def test_refuses_what_is_not_one_run(tmp_path):
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        one_run(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no records\.csv in or below"):
        one_run(tmp_path)
    for name in "abcdefghij":
        write(tmp_path / "sweep" / name, name)
    with pytest.raises(ValueError, match=r"sweep holds several runs; give one of .*sweep/a, .*sweep/h and 2 more"):
        one_run(tmp_path / "sweep")
    with pytest.raises(ValueError, match=r"give the folder of its run, .*sweep/a$"):
        one_run(tmp_path / "sweep" / "a" / "records.csv")
    write(tmp_path / "together", "a", "b")
    with pytest.raises(ValueError, match=r"several runs in one file \(a, b\)"):
        one_run(tmp_path / "together")
    (tmp_path / "sweep" / "a" / "samples.parquet").unlink()
    with pytest.raises(ValueError, match=r"no samples\.parquet"):
        one_run(tmp_path / "sweep" / "a")
