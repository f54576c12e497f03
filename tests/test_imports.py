"""The contracts of pyproject.toml find planted violations; and what import-linter cannot see of modules and files."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from tests.conftest import REPO

LONGEST = 400
SETTINGS = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["importlinter"]
ROOMS: list[str] = SETTINGS["root_packages"]
CONTRACTS: dict[str, str] = {contract["id"]: contract["name"] for contract in SETTINGS["contracts"]}
# Every room may use these.
FREE = {"numpy", "filelock", "errors", "files", "settings"}

# A contract, the file that breaks it, the line that it imports by, and the two ends of what import-linter then names.
PLANTED = [
    ("rooms", "scoring/ridge.py", "from lightning_modules.encoders import GCNEncoder", "lightning_modules.encoders"),
    ("product", "datamodules/base.py", "import tests.data.bodies", "tests"),
    ("light-commands", "commands/__init__.py", "from files import writing", "files"),
    ("skeleton", "poses/cache/cache_check.py", "from poses.tracks import Track", "poses.tracks"),
    ("skeleton-first", "poses/normalisation.py", "from poses import perturbations", "poses.perturbations"),
    ("extraction", "extraction/ledger.py", "from poses.normalisation import rotate", "poses.normalisation"),
    ("light-reading", "extraction/reading/media.py", "import torch.nn", "torch"),
    ("scoring", "scoring/metrics.py", "def rho():\n    from scipy.stats import spearmanr", "scipy"),
    ("data", "datamodules/aqa7.py", "from scoring.losses import ContrastiveLoss", "scoring.losses"),
    ("synthetic", "datamodules/synthetic_motion/synthetic.py", "from torch import Tensor", "torch"),
    ("drawing", "drawing/pictures.py", "from datamodules.base import PoseDataModule", "datamodules.base"),
    ("run-folder", "run_folder/history.py", "from drawing.pictures import pixels", "drawing.pictures"),
    ("models", "lightning_modules/pose_similarity.py", "from datamodules.aqa7 import AQA7", "datamodules.aqa7"),
    ("networks", "lightning_modules/encoders/gcn.py", "import scoring.losses", "scoring.losses"),
    ("sources", "lightning_modules/sources/cached.py", "import scoring.losses", "scoring.losses"),
    ("feedback", "feedback/subjects.py", "import lightning_modules.temporal", "lightning_modules.temporal"),
    ("reports", "reports/page.py", "from datamodules.speed21 import Speed21", "datamodules.speed21"),
    ("runner", "trials/runner.py", "from scoring.metrics import spearman", "scoring.metrics"),
    ("torch", "poses/tracks.py", "from torch import Tensor", "torch"),
    ("lightning", "reports/tables.py", "import lightning", "lightning"),
    ("torch-geometric", "lightning_modules/temporal.py", "import torch_geometric.nn", "torch_geometric"),
    ("torchmetrics", "lightning_modules/clip_model.py", "from torchmetrics import Metric", "torchmetrics"),
    ("wandb", "lightning_modules/callbacks/run_monitor.py", "import wandb", "wandb"),
    ("cv2", "extraction/engines/torch_engine.py", "import cv2", "cv2"),
    ("openvino", "commands/check.py", "if True:\n    import openvino", "openvino"),
    ("ultralytics", "extraction/detectors/given_boxes.py", "from ultralytics import YOLO", "ultralytics"),
    ("mmpose", "extraction/estimators/hrnet.py", "import mmpose.apis", "mmpose"),
    ("torchvision", "extraction/features/i3d.py", "import torchvision.models", "torchvision"),
    ("av", "extraction/reading/frames.py", "import av", "av"),
    ("supervision", "drawing/stick_figures.py", "import supervision", "supervision"),
    ("pillow", "drawing/contact_sheet.py", "from PIL import Image", "PIL"),
    ("matplotlib", "lightning_modules/callbacks/run_monitor.py", "import matplotlib.pyplot as plt", "matplotlib"),
    ("pyarrow", "trials/runner.py", "import pyarrow.parquet", "pyarrow"),
    ("scipy", "trials/costs.py", "import sklearn.linear_model", "sklearn"),
    ("jinja", "reports/figures.py", "from markupsafe import Markup", "markupsafe"),
    ("sweeps", "trials/sweep/sweep_plan.py", "import sweeps", "sweeps"),
    ("array-api", "drawing/pictures.py", "import array_api_compat", "array_api_compat"),
    ("jsonargparse", "reports/build.py", "from jsonargparse import ArgumentParser", "jsonargparse"),
    ("yaml", "reports/curves.py", "import yaml", "yaml"),
    ("rich", "scoring/vote.py", "from rich.table import Table", "rich"),
]
ALLOWED = [
    ("scoring/ridge.py", "from poses.skeleton import JOINTS\nimport torch.nn"),
    ("datamodules/base.py", "from poses.batches import ClipBatch\nfrom lightning import LightningDataModule"),
    ("drawing/stick_figures.py", "from matplotlib.figure import Figure\nimport json"),
    ("cli/pose_cli.py", "from run_folder.folder import versions"),
    ("datamodules/aqa7.py", "from extraction.reading.media import Clip"),
    ("lightning_modules/sources/cached.py", "from scoring.distances import relative_l2"),
    ("lightning_modules/encoders/gcn.py", "from poses.skeleton import JOINTS\nfrom torch_geometric.nn import GCNConv"),
    ("extraction/detectors/ultralytics_setup.py", "import cv2, torch, ultralytics"),
    ("trials/sweep/search.py", "import sweeps"),
    ("commands/__init__.py", "import argparse"),
]


def lint(folder: Path, planted: list[tuple[str, str]]) -> dict[str, str]:
    """What `lint-imports` says of each contract, in a copy of the rooms with these lines at the end of these files."""
    shutil.copy(REPO / "pyproject.toml", folder)
    for room in ROOMS:
        shutil.copytree(REPO / room, folder / room, ignore=lambda _, names: {name for name in names if "pyc" in name})
    for file, line in planted:
        with (folder / file).open("a") as opened:
            opened.write(f"\n{line}\n")
    script = Path(sysconfig.get_path("scripts")) / "lint-imports"
    wide = {**os.environ, "COLUMNS": "300"}
    command = [sys.executable, str(script), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=folder, env=wide, capture_output=True, text=True, check=False)
    assert not done.stderr
    kept = [name for name in CONTRACTS.values() if re.search(f"^{re.escape(name)} KEPT", done.stdout, re.M)]
    *_, broken = done.stdout.partition("Broken contracts\n")
    parts = re.split(r"^(.+)\n-{10,}\n", broken, flags=re.M)[1:]
    said = dict(zip(parts[::2], parts[1::2], strict=True))
    assert sorted([*kept, *said]) == sorted(CONTRACTS.values()), done.stdout
    return said


def test_every_contract_finds_its_planted_violation(tmp_path: Path) -> None:
    assert [contract for contract, *_ in PLANTED] == list(CONTRACTS)
    said = lint(tmp_path, [(file, line) for _, file, line, _ in PLANTED])
    missed = []
    for contract, file, line, imported in PLANTED:
        importer = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if not re.search(rf"{re.escape(f'{importer} -> {imported}')} \(l", said.get(CONTRACTS[contract], "")):
            missed.append((contract, importer, line))
    assert not missed


def test_what_is_allowed_is_let_through(tmp_path: Path) -> None:
    assert lint(tmp_path, ALLOWED) == {}


def test_every_package_has_its_importers_named() -> None:
    graph = grimp.build_graph(*ROOMS, include_external_packages=True, cache_dir=None)
    others = {name for name in graph.modules if graph.is_module_squashed(name)} - sys.stdlib_module_names
    named = {name for contract in SETTINGS["contracts"] for name in contract.get("protected_modules", ())}
    assert others - FREE == named


def imported(source: str) -> Iterator[str]:
    """Dotted names of everything that a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{'.' * node.level}{node.module or ''}"


def named_in_strings(source: str) -> list[str]:
    """Modules that are imported by their names as strings, where no linter sees them."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    by_name = [call for call in calls if ast.unparse(call.func).split(".")[-1] in ("import_module", "__import__")]
    return [str(call.args[0].value) for call in by_name if isinstance(call.args[0], ast.Constant)]


@pytest.mark.parametrize(
    ("module", "rooms"), [("errors", set()), ("files", {"errors"}), ("run", {"cli", "commands", "errors"})]
)
def test_what_stands_outside_the_rooms_imports_nothing_heavy(module: str, rooms: set[str]) -> None:
    names = {name.split(".")[0] for name in imported((REPO / f"{module}.py").read_text())}
    assert names <= set(sys.stdlib_module_names) | rooms


def test_no_room_hides_an_import_in_a_string() -> None:
    assert named_in_strings("import importlib\nimportlib.import_module('torchvision.ops')") == ["torchvision.ops"]
    sources = {path: path.read_text() for room in ROOMS for path in (REPO / room).rglob("*.py")}
    assert len(sources) > 200
    assert not {path: names for path, source in sources.items() if (names := named_in_strings(source))}


def test_no_file_is_too_long() -> None:
    folders = [folder for folder in REPO.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    files = [*REPO.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    lengths = {str(path.relative_to(REPO)): len(path.read_text().splitlines()) for path in files}
    assert len(lengths) > 80
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_a_file_name_says_one_thing() -> None:
    rooms = set(ROOMS) - {"commands"}  # a command's file is named as the user calls it
    names = Counter(path.name for room in rooms for path in (REPO / room).rglob("*.py"))
    del names["__init__.py"]
    assert not {name for name, count in names.items() if count > 1}
