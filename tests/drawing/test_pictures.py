from pathlib import Path

import pytest
from matplotlib.figure import Figure

from drawing.pictures import save_figure, shorten, shorten_middle
from errors import InputError, counted


def test_a_failure_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    path.write_text("old")

    def full(self: Path, content: bytes) -> int:
        self.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        save_figure(Figure(), path)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("picture.png", "old")]


def test_long_names_are_cut_where_they_say_least() -> None:
    assert shorten("a name", 10) == shorten_middle("a name", 10) == "a name"
    assert shorten("a name of several words", 10) == "a name of…"
    assert shorten("x" * 20, 10) == "x" * 9 + "…"
    name = "x" * 50 + "y" * 50 + ".jpg"
    assert shorten_middle(name) == "x" * 17 + "…" + "y" * 12 + ".jpg"
    assert [len(shorten_middle(name, width)) for width in range(1, 30)] == list(range(1, 30))


def test_one_and_several() -> None:
    assert [counted(number, "clip") for number in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert counted(2, "person", "people") == "2 people"
