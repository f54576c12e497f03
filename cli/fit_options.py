"""What options of `run.py fit` amount to, without fitting: for commands that prepare many fits."""

from collections.abc import Sequence
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning import LightningDataModule, LightningModule, Trainer

from cli.config_files import BASE, ConfigFile
from cli.parse_errors import Parser, first_cause


class FitOptions:
    """Reads options as `run.py fit` does; it has no checkpoint to go on from, and makes no run."""

    def __init__(self) -> None:
        self._parser = Parser(prog="run.py fit", default_config_files=[str(BASE)])
        self._parser.add_argument("-c", "--config", action=ConfigFile)
        self._parser.add_argument("--seed_everything", type=int, default=0)
        self._parser.add_lightning_class_args(Trainer, "trainer")
        self._parser.add_lightning_class_args(LightningModule, "model", subclass_mode=True)
        self._parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)

    def parse(self, arguments: Sequence[str]) -> Namespace:
        """The options that `arguments` and the configs they name make together.

        Raises:
            InputError: an option is unknown, or its value of another type.
        """
        return self._parser.parse_args(list(arguments))

    def flat(self, config: Namespace) -> dict[str, Any]:
        """Every option and its value by dotted key, defaults included; loggers apart, which change no result."""
        tree = yaml.safe_load(self._parser.dump(config, skip_unset=False))
        found = _flat(tree)
        return {key: value for key, value in found.items() if not key.startswith(("trainer.logger", "config"))}

    def build(self, config: Namespace) -> tuple[LightningModule, LightningDataModule]:
        """Model and data.

        Raises:
            InputError: a value is refused.
        """
        try:
            built = self._parser.instantiate(config)
        except ValueError as error:
            raise first_cause(error) from error
        return built.model, built.data


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(tree, dict) and tree:
        items = [(str(key), value) for key, value in tree.items()]
    elif isinstance(tree, list) and tree:
        items = [(str(i), value) for i, value in enumerate(tree)]
    else:
        return {prefix: tree}
    return {name: value for key, inner in items for name, value in _flat(inner, f"{prefix}.{key}".lstrip(".")).items()}
