"""The options that say how poses are made from pictures, for `extract` and `score`."""

import json
from collections.abc import Sequence
from typing import cast

import yaml
from jsonargparse import ArgumentParser, Namespace

from cli.media_options import MediaConfig, build, part, without_placement
from cli.parse_errors import Parser
from extraction.pipeline import Pipeline
from poses.cache.keypoint_cache import Provenance


class PoseConfig(MediaConfig):
    """See `MediaConfig`."""

    classes = ("pose.detector", "pose.estimator")


def pose_parser(command: str, description: str, configs: Sequence[str]) -> Parser:
    """A parser of `--config` and of `--pose`, the arguments of `Pipeline`."""
    parser = Parser(prog=f"run.py {command}", description=description, default_config_files=list(configs))
    parser.add_argument("-c", "--config", action=PoseConfig, help="a YAML file, or the name of one in configs/")
    parser.add_class_arguments(Pipeline, "pose", instantiate=False)
    return parser


def build_pipeline(config: Namespace) -> Pipeline:
    """The pipeline of `--pose`; its networks take their time.

    Raises:
        InputError: see `build`.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Pipeline, "pose")
    return cast(Pipeline, build(parser, part(config, "pose")).pose)


def provenance(parser: Parser, config: Namespace, pipeline: Pipeline, source: str) -> Provenance:
    """How a pipeline makes poses, for the metadata of a clip."""
    settings = yaml.safe_load(parser.dump(config))["pose"]
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
