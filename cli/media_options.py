"""The options of `extract`, `features` and `score`: which media are looked at, where that runs, how poses are made."""

import inspect
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from jsonargparse import Namespace
from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from cli.parse_errors import Parser
from datamodules.base import PoseDataModule
from datamodules.media_folder import MediaFolder
from errors import InputError
from extraction.pipeline import Pipeline
from poses.cache.keypoint_cache import Provenance
from settings import build

DATASETS = (PoseDataModule, MediaFolder)
PLACEMENT = ("device", "batch")  # where and in what portions a network runs is no property of what it says
PLACES = ("accelerator", "strategy", "devices", "num_nodes")
"""What of Lightning's Trainer has a meaning here."""


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


def pose_parser(command: str, description: str, configs: Sequence[str]) -> Parser:
    """A parser of `--config` and of `--pose`, the arguments of `Pipeline`."""
    parser = Parser(prog=f"run.py {command}", description=description, default_config_files=list(configs))
    parser.add_class_arguments(Pipeline, "pose", instantiate=False)
    return parser


def build_pipeline(config: Namespace) -> Pipeline:
    """The pipeline of `--pose`; its networks take their time.

    Raises:
        InputError: a part of it refuses its options.
    """
    return cast(Pipeline, build(Pipeline, config.pose))


def provenance(parser: Parser, config: Namespace, pipeline: Pipeline, source: str) -> Provenance:
    """How a pipeline makes poses, for the metadata of a clip."""
    settings = parser.plain(config)["pose"]
    settings |= {name: without_placement(settings[name]) for name in ("detector", "estimator")}
    detector, estimator = pipeline.detector, pipeline.estimator
    return Provenance(
        source=source,
        detector=f"{detector.name} ({detector.weights.name})",
        estimator=f"{estimator.name} ({estimator.weights.name})",
        weights_sha256=estimator.weights.sha256,
        weights_licence=estimator.weights.licence,
        detector_sha256=detector.weights.sha256,
        detector_licence=detector.weights.licence,
        settings=json.dumps(settings, sort_keys=True),
    )
