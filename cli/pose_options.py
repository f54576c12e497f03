"""The options that say how poses are made from pictures, for `extract` and `score`."""

import json
from collections.abc import Sequence
from typing import cast

from jsonargparse import Namespace

from cli.media_options import MediaConfig, without_placement
from cli.parse_errors import Parser
from extraction.pipeline import Pipeline
from poses.cache.keypoint_cache import Provenance
from settings import build


def pose_parser(command: str, description: str, configs: Sequence[str]) -> Parser:
    """A parser of `--config` and of `--pose`, the arguments of `Pipeline`."""
    parser = Parser(prog=f"run.py {command}", description=description, default_config_files=list(configs))
    parser.add_argument("-c", "--config", action=MediaConfig, help="a YAML file, or the name of one in configs/")
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
