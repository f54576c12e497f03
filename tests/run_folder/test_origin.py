from pathlib import Path

import pytest
import yaml

from errors import InputError
from run_folder.origin import read_config, read_versions, write_origin

CONFIG = {"model": {"class_path": "a.B"}, "data": {"class_path": "c.D"}}


def test_what_repeats_a_run_is_read_as_it_was_written_first(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    write_origin(folder, yaml.safe_dump(CONFIG), ["run.py", "fit"])
    write_origin(folder, "data: {}\nmodel: {}\n", ["run.py", "fit", "--ckpt_path=x"])  # resumed
    assert read_config(folder) == CONFIG
    found = read_versions(folder)
    assert found["command"] == ["run.py", "fit"]
    assert found["packages"]["torch"]
    assert found["started"].startswith("20")


@pytest.mark.parametrize("content", ["[]", "{", '"words"', "3"])
def test_versions_that_are_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "versions.json").write_text(content)
    with pytest.raises(InputError, match=r"versions\.json: cannot be read"):
        read_versions(tmp_path)


@pytest.mark.parametrize(
    ("content", "essential"),
    [
        (None, ": no such file"),
        (b"a: [", ", line 2: not YAML"),
        (b"\xff\xfe\x00", ", line 1: byte 0xff is not UTF-8"),
        (b"just words", ": names no model and data"),
        (b"data: {}\nmodel: 3", ": names no model and data"),
    ],
)
def test_a_folder_without_a_config(content: bytes | None, essential: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(InputError, match=f"config.yaml{essential}"):
        read_config(tmp_path)
