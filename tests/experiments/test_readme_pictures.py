from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.readme_pictures import PICTURES, WIDTH, keep
from tests.conftest import REPO


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Greys of a photograph, and a jacket of which a palette for most pixels would make another grey."""
    grey = np.random.default_rng(0).integers(0, 256, (400, 1590, 1), np.uint8)
    pixels = np.repeat(grey, 3, axis=-1)
    pixels[:8, :8] = 84, 140, 92
    path = tmp_path / "drawn.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_picture_gets_small_and_keeps_its_rare_colours(source: Path, tmp_path: Path) -> None:
    target = keep(source, tmp_path / "score-videos.png")
    with Image.open(target) as picture:
        assert picture.mode == "P"
        assert picture.size == (1590, 400)
        assert np.allclose(np.asarray(picture.convert("RGB"))[4, 4], (84, 140, 92), atol=8)
    assert target.stat().st_size < 0.7 * source.stat().st_size
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".png"] == []


def test_a_contact_sheet_gets_narrower(source: Path, tmp_path: Path) -> None:
    with Image.open(keep(source, tmp_path / "extract.png")) as picture:
        assert picture.size == (WIDTH, 322)


def test_the_pictures_of_the_docs_are_these() -> None:
    assert {f"{name}.png" for name in PICTURES} == {path.name for path in (REPO / "docs").glob("*.png")}
    for name in PICTURES:
        with Image.open(REPO / "docs" / f"{name}.png") as picture:
            assert picture.mode == "P"
