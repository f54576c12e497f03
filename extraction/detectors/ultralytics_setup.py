"""Imports ultralytics so that it neither phones home, installs, downloads nor changes what others use.

Left to itself it reports usage, installs packages with pip when something is missing, writes settings into the home
folder and `weights/` beside the nearest `.git`, and replaces functions of Pillow, PyTorch and OpenCV.
"""

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import PIL.Image
import torch

from errors import InputError
from extraction.weights.blazepose_weights import cache_folder
from files import write_atomically

_VARIABLES: Final = {
    "YOLO_OFFLINE": "true",  # no usage reports, no look for a newer release; weights still download when asked for
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",  # wherever it loads a checkpoint by itself, and builds a network from a YAML
}
_QUIET: Final = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb", "vscode_msg")


def set_up() -> None:
    """Import ultralytics; afterwards its modules can be imported as usual.

    Raises:
        InputError: it is not installed, or does not fit to what is.
    """
    if importlib.util.find_spec("ultralytics") is None:
        raise InputError(
            "YOLOv5 needs the package ultralytics, which is AGPL-3.0: pip install -r requirements.txt; or give "
            "boxes (--config given_boxes.yaml), or use --config blazepose.yaml"
        )
    for name, value in _VARIABLES.items():
        os.environ[name] = value
    os.environ.setdefault("YOLO_CONFIG_DIR", str(cache_folder()))
    try:
        with _left_alone():
            import ultralytics.engine.model
            import ultralytics.utils.nms
    except ImportError as error:
        raise InputError(f"ultralytics cannot be imported ({error}): pip install -r requirements.txt") from error
    settings = ultralytics.settings
    folder = str(cache_folder())
    # Past its own update(), which would write them to a file that several processes read.
    dict.update(
        settings, dict.fromkeys(_QUIET, False), weights_dir=folder, runs_dir=folder + "/runs", datasets_dir=folder
    )


def place_font() -> None:
    """Put a font where training looks for one before it asks the network.

    Raises:
        InputError: the folder cannot be written to.
    """
    from ultralytics.utils import USER_CONFIG_DIR

    spec = importlib.util.find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):
        target = Path(USER_CONFIG_DIR) / name
        if target.exists():
            continue
        try:
            write_atomically(target, source.read_bytes())
        except OSError as error:
            raise InputError(
                f"{target}: {error.strerror}; set YOLO_CONFIG_DIR to a folder that may be written to"
            ) from error


@contextlib.contextmanager
def _left_alone() -> Iterator[None]:
    """Undo what importing ultralytics changes for everybody."""
    threads, opened, saved = cv2.getNumThreads(), PIL.Image.open, torch.save
    wanted = os.environ.get("OMP_NUM_THREADS")
    printing = np.get_printoptions()
    torch_printing = vars(torch._tensor_str.PRINT_OPTS).copy()
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        PIL.Image.open, torch.save = opened, saved
        np.set_printoptions(**printing)
        vars(torch._tensor_str.PRINT_OPTS).update(torch_printing)
        if wanted is None:
            os.environ.pop("OMP_NUM_THREADS", None)
