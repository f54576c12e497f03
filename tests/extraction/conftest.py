"""Weights whose right answers are known."""

from pathlib import Path

import pytest

from tests.conftest import shared_data


@pytest.fixture(scope="session")
def narrow_hrnet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Config and weights, as options of `HRNet`, of one that knows the people of the photographs by heart.

    Needs mmpose; fitted once a session.
    """
    from experiments import fit_narrow_hrnet as script

    folder: Path = tmp_path_factory.mktemp("narrow_hrnet")
    script.make(shared_data("people"), folder)
    return {"config": str(folder / script.CONFIG), "weights": str(folder / script.WEIGHTS)}
