"""The options that say which media are looked at and where that runs, for `extract`, `features` and `score`."""

import argparse
import importlib
import inspect
import logging
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]  # it has no list of exports
from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from cli.config_files import find_config
from cli.parse_errors import Parser, first_cause
from datamodules.base import PoseDataModule
from datamodules.media_folder import MediaFolder
from errors import InputError

PLACEMENT = ("device", "batch")  # where and in what portions a network runs is no property of what it says
PLACES = ("accelerator", "strategy", "devices", "num_nodes")
"""What of Lightning's Trainer has a meaning here."""


class MediaConfig(ActionConfigFile):
    """`--config aqa7.yaml` finds configs/aqa7.yaml; of a config for training, only `data` is taken.

    Attributes:
        classes: keys that name a class; options of the class before it, of the same name, do not stay.
    """

    classes: ClassVar[tuple[str, ...]] = ()

    def __call__(
        self, parser: argparse.ArgumentParser, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Read the file that `values` names."""
        content = yaml.safe_load(find_config(values).read_text(encoding="utf-8-sig"))
        if "model" in content:
            content = {"data": content["data"]} if "data" in content else {}
        for key in self.classes:
            chosen: Any = content
            for name in key.split("."):
                chosen = (chosen or {}).get(name)
            if isinstance(chosen, dict) and "class_path" in chosen:
                cfg[key] = None
        super().__call__(parser, cfg, yaml.safe_dump(content), option_string)  # type: ignore[no-untyped-call]


def add_dataset_and_places(parser: Parser) -> None:
    """Add `--data` and `--trainer` to a parser."""
    parser.add_subclass_arguments((PoseDataModule, MediaFolder), "data")
    others = set(inspect.signature(Trainer.__init__).parameters) - {"self", *PLACES}
    parser.add_class_arguments(Trainer, "trainer", skip=others, instantiate=False)


def build(parser: ArgumentParser, config: Namespace) -> Namespace:
    """What parsed options stand for.

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


def without_placement(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """A class and its options, for provenance: without what makes no difference to the result."""
    arguments = chosen.get("init_args", {})
    return {**chosen, "init_args": {name: arguments[name] for name in sorted(arguments) if name not in PLACEMENT}}


def build_dataset(config: Namespace) -> PoseDataModule | MediaFolder:
    """What `data` stands for, built by its own base alone: with both, its complaint is lost behind the other's.

    Raises:
        InputError: no dataset is named, or see `build`.
    """
    if config.data is None:
        raise InputError("no dataset is named; give one, such as --config media_folder.yaml --data.root FOLDER")
    module, _, name = config.data.class_path.rpartition(".")
    own = getattr(importlib.import_module(module), name)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(MediaFolder if issubclass(own, MediaFolder) else PoseDataModule, "data")
    data: PoseDataModule | MediaFolder = build(parser, part(config, "data")).data
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
