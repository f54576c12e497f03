"""Weights whose right answers are known."""

from pathlib import Path

import pytest
from filelock import FileLock

from tests.conftest import shared_data


@pytest.fixture(scope="session")
def narrow_hrnet(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, str]:
    """Config and weights, as options of `HRNet`, of one that knows the people of the photographs by heart.

    Needs mmpose; fitted once a session, by one of its processes.
    """
    from experiments import fit_narrow_hrnet as script

    alone = worker_id == "master"
    folder: Path = tmp_path_factory.mktemp("fit") if alone else tmp_path_factory.getbasetemp().parent / "narrow_hrnet"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "done").exists():
            folder.mkdir(exist_ok=True)
            script.make(shared_data("people"), folder)
            (folder / "done").touch()
    return {"config": str(folder / script.CONFIG), "weights": str(folder / script.WEIGHTS)}
