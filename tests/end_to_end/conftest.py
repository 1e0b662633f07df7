import pytest
from finished_run import ATTACKS, Run

from hardlight.cli import main


@pytest.fixture(scope="session")
def trained(npz: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The paper's CNN after four steps on the gray data, tested under ``ATTACKS``."""
    outputs = tmp_path_factory.mktemp("trained")
    settings = ["data.batch_size=18", "trainer.max_epochs=2", "evaluation.gallery=2", "name=first"]
    assert main(["train", *npz["gray"], *ATTACKS, *settings, f"paths.outputs={outputs}"]) == 0
    (folder,) = (outputs / "first").iterdir()
    return Run(folder)
