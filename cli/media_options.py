"""The options that say which media are looked at and where that runs, for `extract`, `features` and `score`."""

import argparse
import inspect
import logging
from collections.abc import Mapping
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined]  # it has no list of exports
from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from cli.config_files import content_of, find_config
from cli.parse_errors import Parser
from datamodules.base import PoseDataModule
from datamodules.media_folder import MediaFolder
from errors import InputError
from settings import build

DATASETS = (PoseDataModule, MediaFolder)
PLACEMENT = ("device", "batch")  # where and in what portions a network runs is no property of what it says
PLACES = ("accelerator", "strategy", "devices", "num_nodes")
"""What of Lightning's Trainer has a meaning here."""


class MediaConfig(ActionConfigFile):
    """`--config aqa7.yaml` finds configs/aqa7.yaml; of a config for training, only `data` is taken."""

    def __call__(
        self, parser: argparse.ArgumentParser, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Read the file that `values` names."""
        content = content_of(find_config(values))
        if "model" in content:
            content = {"data": content["data"]} if "data" in content else {}
        super().__call__(parser, cfg, yaml.safe_dump(content), option_string)  # type: ignore[no-untyped-call]


def add_dataset_and_places(parser: Parser) -> None:
    """Add `--data` and `--trainer` to a parser."""
    parser.add_subclass_arguments(DATASETS, "data")
    others = set(inspect.signature(Trainer.__init__).parameters) - {"self", *PLACES}
    parser.add_class_arguments(Trainer, "trainer", skip=others, instantiate=False)


def without_placement(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """A class and its options, for provenance: without what makes no difference to the result."""
    arguments = chosen.get("init_args", {})
    return {**chosen, "init_args": {name: arguments[name] for name in sorted(arguments) if name not in PLACEMENT}}


def build_dataset(config: Namespace) -> PoseDataModule | MediaFolder:
    """What `data` stands for.

    Raises:
        InputError: no dataset is named, or it refuses its options.
    """
    if config.data is None:
        raise InputError("no dataset is named; give one, such as --config media_folder.yaml --data.root FOLDER")
    data: PoseDataModule | MediaFolder = build(DATASETS, config.data)
    return data


def source_name(data: PoseDataModule | MediaFolder) -> str:
    """Name of a dataset, for provenance."""
    return type(data).__module__.split(".")[-1]


def build_trainer(places: Namespace, command: str) -> Trainer:
    """A trainer for prediction alone, which says nothing and writes nothing.

    Args:
        places: what of its options was given.
        command: whose `--help` an error names.

    Raises:
        InputError: there is no such place to run.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # which device it runs on is no news
    try:
        return Trainer(
            **{name: places[name] for name in PLACES},
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise InputError(f"trainer: {error}; see `python run.py {command} --help`") from error
