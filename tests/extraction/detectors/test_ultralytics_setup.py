import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO

if importlib.util.find_spec("ultralytics") is None:
    pytest.skip("needs the packages of requirements.txt (`make full` makes their environment)", allow_module_level=True)

LEFT_BEHIND = """
import json, os, cv2, numpy, torch, PIL.Image
cv2.setNumThreads(2)
os.environ.pop("OMP_NUM_THREADS", None)
def seen():
    return [cv2.getNumThreads(), repr(PIL.Image.open), repr(torch.save), repr(numpy.array([1 / 3])),
            repr(torch.tensor([1 / 3])), os.environ.get("OMP_NUM_THREADS")]
before = seen()
from extraction.detectors.ultralytics_setup import set_up
set_up()
from ultralytics import settings
from ultralytics.utils import ONLINE
from ultralytics.utils.checks import AUTOINSTALL
print(json.dumps([before, seen(), {k: v for k, v in settings.items() if v is True}, ONLINE, AUTOINSTALL]))
"""


def test_the_import_leaves_no_traces(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    names = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO", "XDG", "ULTRA"))}
    names |= {"HOME": str(home), "GCN_PSN_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(REPO)}
    names |= {"MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", LEFT_BEHIND],
        env=names,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after, switched_on, online, installs = json.loads(done.stdout)
    assert before == after
    assert set(switched_on) <= {"openvino_msg"}
    assert not online
    assert not installs
    assert done.stderr == ""
    assert not list(home.iterdir())
    assert {path.name for path in tmp_path.iterdir()} <= {"home", "cache", "matplotlib"}
