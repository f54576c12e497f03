"""The options that say how poses are made from pictures, for `extract` and `score`."""

import argparse
import json
from collections.abc import Sequence
from typing import Any, cast

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]  # it has no list of exports

from commands.configs import find_config
from commands.parse_errors import Parser, first_cause
from datamodules.cache import Provenance
from keypoints.pipeline import Pipeline

PLACEMENT = ("device", "batch")  # where and in what portions a network runs is no property of the poses


class PoseConfig(ActionConfigFile):
    """`--config aqa7.yaml` finds configs/aqa7.yaml; of a config for training, only `data` is taken."""

    def __call__(
        self, parser: argparse.ArgumentParser, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Read the file that `values` names."""
        content = yaml.safe_load(find_config(values).read_text(encoding="utf-8-sig"))
        if "model" in content:
            content = {"data": content["data"]} if "data" in content else {}
        for name in ("detector", "estimator"):
            chosen = (content.get("pose") or {}).get(name)
            if isinstance(chosen, dict) and "class_path" in chosen:
                cfg[f"pose.{name}"] = None  # else options of the class before it, of the same name, would stay
        super().__call__(parser, cfg, yaml.safe_dump(content), option_string)  # type: ignore[no-untyped-call]


def pose_parser(command: str, description: str, configs: Sequence[str]) -> Parser:
    """A parser of `--config` and of `--pose`, the arguments of `Pipeline`."""
    parser = Parser(prog=f"run.py {command}", description=description, default_config_files=list(configs))
    parser.add_argument("-c", "--config", action=PoseConfig, help="a YAML file, or the name of one in configs/")
    parser.add_class_arguments(Pipeline, "pose", instantiate=False)
    return parser


def build(parser: ArgumentParser, config: Namespace) -> Namespace:
    """What parsed options stand for; those of `--pose` stay as they are, see `build_pipeline`.

    Raises:
        InputError: the first cause: jsonargparse wraps it up in lists of types.
    """
    try:
        return cast(Namespace, parser.instantiate(config))
    except ValueError as error:
        raise first_cause(error) from error


def part(config: Namespace, name: str) -> Namespace:
    """One part of parsed options, as if nothing else had been given."""
    return Namespace(**{name: config[name]})  # type: ignore[no-untyped-call]  # jsonargparse leaves it without types


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
    for part in ("detector", "estimator"):
        arguments = settings[part].get("init_args", {})
        settings[part]["init_args"] = {name: arguments[name] for name in sorted(arguments) if name not in PLACEMENT}
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
