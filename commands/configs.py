"""Finding config files, and parse errors that name the near miss."""

import argparse
import difflib
import re
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ActionConfigFile
from lightning.pytorch.cli import LightningArgumentParser

from errors import InputError

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def find_config(name: str) -> Path:
    """The config file `name`: a path, or the name of a file in configs/, with or without .yaml.

    Raises:
        InputError: there is none, or it is empty.
    """
    for candidate in (Path(name), CONFIGS / name, CONFIGS / f"{name}.yaml"):
        if candidate.is_file():
            if not candidate.read_text(encoding="utf-8").strip():
                raise InputError(f"{candidate}: the config is empty")
            return candidate
    known = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml"))
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"configs/ has {', '.join(known)}"
    raise InputError(f"no config {name!r}, here or in configs/; {hint}")


class ConfigFile(ActionConfigFile):
    """`--config aqa7.yaml` finds configs/aqa7.yaml."""

    def __call__(
        self, parser: argparse.ArgumentParser, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Read the file that `values` names."""
        super().__call__(parser, cfg, str(find_config(values)), option_string)


class Parser(LightningArgumentParser):
    """Errors are one line, and a key that is unknown comes with the known one it resembles most."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the parse error for the user to see.

        Raises:
            InputError: always.
        """
        raise InputError(explain(message, self)) from ex


def explain(message: str, parser: argparse.ArgumentParser) -> str:
    """jsonargparse's message as one line, with the near miss of the key it does not know."""
    return " ".join(message.split())
