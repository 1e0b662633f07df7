"""The wheel carries its configuration. Slow: it is built and installed.

Into an environment of its own, which borrows this one's packages for the dependencies alone.
"""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def done(*command: str | Path, folder: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    run = subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_the_wheel_runs_anywhere(tmp_path: Path, npz: dict[str, list[str]]) -> None:
    done(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, CHECKOUT, folder=tmp_path)
    (wheel,) = tmp_path.glob("hardlight-*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    done(python, "-m", "pip", "install", "--no-deps", wheel, folder=tmp_path)
    own = Path(done(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip())
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files are not read

    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "conf" / "model").mkdir(parents=True)
    (elsewhere / "conf" / "train.yaml").write_text("the current folder's: nobody reads me\n")
    where = done(python, "-c", "import hardlight.config as c; print(c.conf_folder())", folder=elsewhere).strip()
    assert Path(where) == own / "hardlight" / "conf"
    shipped = {file.relative_to(CHECKOUT / "conf") for file in (CHECKOUT / "conf").rglob("*.yaml")}
    assert {file.relative_to(where) for file in Path(where).rglob("*.yaml")} == shipped
    hardlight = home / "bin" / "hardlight"
    assert "model:" in done(hardlight, "train", "--cfg", "job", folder=elsewhere)
    done(hardlight, "train", "debug=fast", "attack=[fgsm]", folder=elsewhere)  # on the sample that the wheel carries
    (records,) = elsewhere.rglob("records.csv")
    assert "mnist_sample" in records.read_text()
