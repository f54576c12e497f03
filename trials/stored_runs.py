"""A finished fit, read from its folder: the model with its best weights, and the data it is tested on."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from datamodules.base import PoseDataModule
from errors import InputError, quoted
from lightning_modules.clip_model import ClipModel
from run_folder.checkpoint_io import load_checkpoint

OWN: Final = ("datamodules.", "lightning_modules.", "scoring.")
"""Packages whose classes a config may name; layers of `torch.nn` are let through too."""

TRAINING: Final = ("batch_size", "pairs", "seed", "exemplar_pairs")
"""Options of a data module that only training asks for: runs that differ in these are tested on the same clips."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


def read_config(run: Path) -> dict[str, Any]:
    """The config of a run.

    Raises:
        InputError: there is none, or it is no config of a fit.
    """
    path = run / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; the folder is not that of a run") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); train the run again") from error
    if not isinstance(config, dict) or not all(isinstance(config.get(key), dict) for key in ("data", "model")):
        raise InputError(f"{path}: names no model and data; it is not the config of a fit")
    return config


def load_model(run: Path, config: Mapping[str, Any]) -> ClipModel:
    """The model of a run with the weights, and the scorers' settings, of its best checkpoint; in evaluation mode.

    Raises:
        InputError: no checkpoint, a broken one or another model's; a model that cannot be built, or not by this code.
    """
    precision = (config.get("trainer") or {}).get("precision")
    if precision not in (None, 32, "32", "32-true"):
        raise InputError(f"{run}: was trained in the precision {quoted(precision)}; test it with `python run.py test`")
    path = run / "checkpoints" / "best.ckpt"
    checkpoint = load_checkpoint(path)
    model: ClipModel = _build("model", ClipModel, config["model"], run)
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
    data: PoseDataModule = _build("data", PoseDataModule, config, config.get("class_path"))
    data.prepare_data()
    data.setup("test")
    return data


def _build(kind: str, base: type, config: Any, where: object) -> Any:
    if strangers := [name for name in _classes(config, everything=kind == "model") if not _known(name)]:
        raise InputError(f"{where}: its {kind} names {quoted(strangers[0])}, no class of this project; it is not built")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, kind)
    try:
        with torch.random.fork_rng():  # weights are drawn, then overwritten
            return parser.instantiate(parser.parse_object({kind: config}))[kind]
    except (ArgumentError, TypeError, ValueError) as error:
        raise InputError(f"{where}: its {kind} cannot be built: {' '.join(str(error).split())}") from error


def _classes(tree: Any, everything: bool) -> Iterator[str]:
    """What a config names by its import path: every `class_path`, and any other such string if asked to."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if key == "class_path" or (everything and isinstance(value, str) and _DOTTED.fullmatch(value)):
            yield str(value)
        else:
            yield from _classes(value, everything)


def _known(name: str) -> bool:
    return name.startswith((*OWN, "torch.nn."))
