"""What options of `run.py fit` amount to, without fitting: for commands that prepare many fits."""

from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace
from lightning import LightningDataModule, LightningModule, Trainer

from cli.config_files import BASE
from cli.parse_errors import Parser
from settings import flatten


class FitOptions:
    """Reads options as `run.py fit` does; it has no checkpoint to go on from, and makes no run."""

    def __init__(self) -> None:
        self._parser = Parser(prog="run.py fit", default_config_files=[str(BASE)])
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
        found = flatten(self._parser.plain(config), items=True)
        return {key: value for key, value in found.items() if not key.startswith(("trainer.logger", "config"))}

    def build(self, config: Namespace) -> tuple[LightningModule, LightningDataModule]:
        """Model and data.

        Raises:
            InputError: a value is refused.
        """
        built = self._parser.instantiate(config)
        return built.model, built.data
