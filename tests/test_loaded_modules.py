"""How much of the house a reader opens to follow a command, and what a command line does without.

Run by itself it lists the modules: `python -m tests.test_loaded_modules`.
"""

import subprocess
import sys

from tests.conftest import REPO

MOST = 45
"""Modules of ours that `fit` may load before it builds anything, `__init__` files apart."""

SCRIPT = """
import sys
from pathlib import Path

import run

sys.path.insert(0, str(Path.cwd()))  # configs are parsed in their own folder
try:
    run.main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code
house = [path.stem if path.suffix else path.name for path in Path.cwd().iterdir()]
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None) or ""
    if name.partition(".")[0] in house and not file.endswith("__init__.py"):
        print("loaded", name)
"""


def loaded(*words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], cwd=REPO, capture_output=True, text=True, timeout=300, check=True
    )
    return [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("loaded ")]


def test_what_fit_loads_to_parse_its_command_line() -> None:
    ours = loaded("fit", "--config", "aqa7.yaml", "--print_config")
    assert {"run", "errors", "datamodules.base", "scoring.ridge"} <= set(ours)
    assert len(ours) <= MOST, ours
    assert not [name for name in ours if name.startswith("poses.cache")]  # caches are opened once there is a dataset


if __name__ == "__main__":
    print(*loaded("fit", "--config", "aqa7.yaml", "--print_config"), sep="\n")
