"""docs/notebook.md runs from its beginning to its end, in an empty folder."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

import run
from tests.conftest import REPO
from tests.datasets import FAST

PAGE = (REPO / "docs" / "notebook.md").read_text()
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SHAPE = re.compile(r"^(?P<what>\S.*\.shape)  # (?P<shape>\(.*\))$", re.MULTILINE)


def test_every_block_runs_and_gives_the_shapes_that_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(REPO / "models", "models")
    names: dict[str, Any] = {}
    said = 0
    for language, block in BLOCKS:
        if language == "bash":
            for line in block.splitlines():
                words = shlex.split(line)[2:]
                assert run.main([*words, *([*FAST, "--data.clips=48"] if words[0] == "fit" else [])]) == 0, line
            continue
        exec(compile(block, "docs/notebook.md", "exec"), names)
        for found in SHAPE.finditer(block):
            assert eval(found["what"], names) == eval(found["shape"]), found[0]
            said += 1
    assert said == PAGE.count(".shape")
    assert -1 <= names["rho"] <= 1
    assert names["error"] > 0
    assert list(names["predicted"]) == ["reference", "vote", "ridge"]
