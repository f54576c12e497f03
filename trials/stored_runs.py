"""A finished fit, read from its folder: the model with its best weights, and the data it is tested on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from datamodules.base import PoseDataModule
from errors import InputError, quoted
from lightning_modules.clip_model import ClipModel
from run_folder.checkpoint_io import load_checkpoint
from run_folder.layout import BEST
from run_folder.trained import build_own

TRAINING: Final = ("batch_size", "pairs", "seed", "exemplar_pairs")
"""Options of a data module that only training asks for: runs that differ in these are tested on the same clips."""


def load_clip_model(run: Path, config: Mapping[str, Any]) -> ClipModel:
    """The model of a run with the weights, and the scorers' settings, of its best checkpoint; in evaluation mode.

    Raises:
        InputError: no checkpoint, a broken one or another model's; a model that cannot be built, or not by this code.
    """
    precision = (config.get("trainer") or {}).get("precision")
    if precision not in (None, 32, "32", "32-true"):
        raise InputError(f"{run}: was trained in the precision {quoted(precision)}; test it with `python run.py test`")
    path = run / BEST
    checkpoint = load_checkpoint(path)
    model: ClipModel = build_own(ClipModel, config["model"], f"{run}: its model")
    try:
        model.on_load_checkpoint(checkpoint)
        model.load_state_dict(checkpoint["state_dict"])
    except (InputError, RuntimeError) as error:
        raise InputError(f"{path}: {error}") from error
    return model.eval()


def data_key(config: Mapping[str, Any]) -> str:
    """Says what a run is tested on: equal for runs with the same clips, parts and normalisation."""
    data = dict(config["data"])
    options = data.get("init_args") or {}
    data["init_args"] = {name: value for name, value in options.items() if name not in TRAINING}
    return json.dumps(data, sort_keys=True)


def load_data(key: str) -> PoseDataModule:
    """The data module of a `data_key`, ready to test.

    Raises:
        InputError: it cannot be built, or its data are not there.
    """
    config = json.loads(key)
    data: PoseDataModule = build_own(PoseDataModule, config, f"{config.get('class_path')}: its data", everything=False)
    data.prepare_data()
    data.setup("test")
    return data
