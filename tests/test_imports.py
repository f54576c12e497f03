"""Who imports whom, and how long a file may be; the checker is tested on planted violations."""

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import REPO

LONGEST = 400

# Which other packages, beside Python's own; modules that are not here may import any but the last ones.
OTHERS: dict[str, tuple[str, ...]] = {
    "errors": (),
    "files": (),
    "run": (),
    "commands.__init__": (),
    "lightning_modules.encoders": ("torch", "torch_geometric"),
    "lightning_modules.heads": ("torch",),
    "lightning_modules.sources": ("torch",),
    "lightning_modules.wandb_log": ("lightning", "wandb"),
    "lightning_modules.callbacks.wandb_report": ("lightning", "wandb", "yaml"),
    "poses.skeleton": ("numpy", "array_api_compat"),
    "poses.normalisation": ("numpy", "array_api_compat"),
    "poses.cache.keypoint_cache": ("numpy", "pyarrow"),
    "poses.cache.keypoint_cache_file": ("numpy", "pyarrow"),
    "poses.cache.cache_rules": ("numpy",),
    "poses.cache.clip_files": (),
    "poses.cache.cache_check": ("numpy",),
    "poses.cache.feature_cache": ("numpy",),
    "poses.cache.feature_cache_file": ("numpy", "pyarrow"),
    "datamodules.synthetic_motion.synthetic": ("numpy",),
    "datamodules.synthetic_motion.synthetic_actions": ("numpy",),
    "scoring": ("torch",),
    "reports": ("torch", "numpy", "pyarrow", "yaml"),
    "run_folder.runs": ("numpy", "pyarrow", "yaml"),
    "reports.page": ("jinja2", "markupsafe"),
    "reports.charts": ("matplotlib", "numpy"),
    "reports.clip_charts": ("matplotlib", "numpy", "PIL"),
    "feedback.explanations": ("torch",),
    "feedback.views": ("torch",),
    "feedback.repetitions": ("torch",),
    "feedback.warping": ("torch",),
    "drawing": ("matplotlib", "numpy", "torch"),
    "drawing.overlay": ("numpy", "supervision", "PIL", "matplotlib"),
    "feedback.drawn_poses": ("numpy", "matplotlib", "cv2"),
    "drawing.contact_sheet": ("numpy", "cv2"),
    "extraction": ("numpy", "cv2", "av", "PIL", "supervision", "torch", "filelock"),
    "extraction.reading.media": (),
    "extraction.reading.media_files": (),
    "extraction.filling": ("lightning", "torch"),
    "extraction.features.feature_filling": ("lightning", "torch"),
    "extraction.types": ("numpy",),
    "extraction.progress": ("rich",),
    "extraction.features": ("numpy", "cv2", "torch"),
    "extraction.features.torchvision_video": ("numpy", "cv2", "torch", "torchvision"),
    "commands.extract": ("cv2", "jsonargparse", "lightning"),
    "extraction.detectors.ultralytics_setup": ("numpy", "cv2", "PIL", "torch", "ultralytics"),
    "extraction.detectors.ultralytics_training": ("torch", "ultralytics"),
    "extraction.weights.ultralytics_weights": ("torch", "filelock", "ultralytics"),
    "extraction.detectors.ultralytics_yolo": ("numpy", "cv2", "torch", "openvino", "ultralytics"),
    "extraction.engines.blazepose_network": ("numpy", "openvino"),
    "extraction.detectors.blazepose_detector": ("numpy", "cv2"),
    "extraction.estimators.blazepose_estimator": ("numpy", "cv2"),
    "extraction.estimators.mmpose_model": ("numpy", "torch", "mmengine", "mmpose"),
    "extraction.estimators.hrnet": ("numpy", "torch"),
    "extraction.engines": ("numpy", "torch"),
    "extraction.engines.openvino_engine": ("numpy", "torch", "openvino"),
}
ROOMS = {path.parent.name for path in REPO.glob("*/__init__.py")} - {"experiments", "benchmarks"}
PROJECT = ROOMS | {"errors", "files", "run", "experiments", "benchmarks", "tests"}
ONLY_IN = {
    "matplotlib": ("drawing", "feedback", "reports.charts", "reports.clip_charts", "commands.score"),
    "pandas": (),
}
NEVER = {
    "torchvision",
    "ultralytics",
    "mmpose",
    "mmengine",
    "mmcv",
    "mmdet",
    "openvino",
    "wandb",
    "cv2",
    "av",
    "supervision",
}


def imported(source: str) -> Iterator[str]:
    """Dotted names of everything that a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def rule(module: str, rules: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    fitting = [name for name in rules if under(module, name)]
    return rules[max(fitting, key=len)] if fitting else None


def violations(module: str, source: str) -> list[str]:
    """What a module imports and may not."""
    wrong = []
    for name in imported(source):
        package = name.split(".")[0]
        if name.startswith("."):
            allowed = False  # a relative name hides where it leads
        elif package in PROJECT:
            allowed = package in ROOMS or package in ("errors", "files")
        elif package in sys.stdlib_module_names:
            allowed = True
        else:
            others = rule(module, OTHERS)
            allowed = package not in NEVER if others is None else package in others
            allowed &= package not in ONLY_IN or any(under(module, one) for one in ONLY_IN[package])
        if not allowed:
            wrong.append(f"{module} imports {name}")
    return wrong


def core() -> dict[str, str]:
    """Every module of the core, and its source."""
    folders = ROOMS
    paths = [
        REPO / "errors.py",
        REPO / "files.py",
        REPO / "run.py",
        *(path for name in folders for path in (REPO / name).rglob("*.py")),
    ]
    return {".".join(path.relative_to(REPO).with_suffix("").parts): path.read_text() for path in paths}


def test_imports_keep_their_directions() -> None:
    modules = core()
    assert len(modules) > 40
    wrong = [line for module, source in modules.items() for line in violations(module, source)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("run", "import numpy"),
        ("commands.__init__", "from jsonargparse import ArgumentParser"),
        ("scoring.ridge", "import sklearn.linear_model"),
        ("scoring.metrics", "def rho():\n    from scipy.stats import spearmanr"),
        ("poses.cache.keypoint_cache", "from torch import Tensor"),
        ("poses.cache.cache_check", "import lightning"),
        ("lightning_modules.callbacks.best", "import matplotlib.pyplot as plt"),
        ("lightning_modules.callbacks.best", "import wandb"),
        ("lightning_modules.callbacks.best", "import importlib\nimportlib.import_module('torchvision.ops')"),
        ("drawing.stick_figures", "from .evaluation import save_figure"),
        ("commands.check", "if True:\n    import openvino"),
        ("commands.check", "import tests.data.bodies"),
    ],
)
def test_a_planted_violation_is_found(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("scoring.ridge", "from poses.skeleton import JOINTS\nimport torch.nn"),
        ("datamodules.base", "from poses.batches import ClipBatch\nfrom lightning import LightningDataModule"),
        ("drawing.stick_figures", "from matplotlib.figure import Figure\nimport json"),
        ("cli.pose_cli", "from run_folder.folder import versions"),
    ],
)
def test_what_is_allowed_is_let_through(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_no_file_is_too_long() -> None:
    folders = [folder for folder in REPO.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    files = [*REPO.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    lengths = {str(path.relative_to(REPO)): len(path.read_text().splitlines()) for path in files}
    assert len(lengths) > 80
    assert not {name: length for name, length in lengths.items() if length > LONGEST}
