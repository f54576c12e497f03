"""Parts of a trained model, built from its checkpoint alone."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from torch import nn

from errors import InputError, quoted
from poses.normalisation import Normalisation
from run_folder.checkpoint_io import config_of, load_checkpoint
from settings import build

Module = TypeVar("Module", bound=nn.Module)

OWN: Final = ("datamodules.", "lightning_modules.", "poses.", "scoring.", "torch.nn.")
"""What the names of classes that settings may name begin with."""

_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


class Checkpoint:
    """The weights and settings in a checkpoint; a class that is none of this project, nor of `torch.nn`, is not built.

    Args:
        path: the file.

    Attributes:
        path: the file.
        config: the settings of the run.

    Raises:
        InputError: no checkpoint.
    """

    def __init__(self, path: Path) -> None:
        content = load_checkpoint(path)
        self.path = path
        self.config = config_of(content)
        self._weights = content["state_dict"]

    def options(self, kind: str) -> Mapping[str, Any]:
        """Arguments of the "model" or the "data"; what is not said is absent."""
        chosen = self.config.get(kind)
        arguments = chosen.get("init_args") if isinstance(chosen, dict) else None
        return arguments if isinstance(arguments, dict) else {}

    def part(self, name: str) -> Any:
        """A part of the model with its weights, in evaluation mode on the CPU.

        Args:
            name: of the argument of the model, with which the names of its weights begin.

        Raises:
            InputError: it cannot be built, or has other weights.
        """
        return self.filled(self.built(nn.Module, name, self.options("model").get(name)), name)

    def built(self, base: type, name: str, settings: Any) -> Any:
        """An object of the model, from its class and arguments; its weights are at random.

        Raises:
            InputError: it cannot be built.
        """
        return build_own(base, settings, f"{self.path}: its {name}")

    def whole(self, base: type, settings: Any) -> Any:
        """The whole model with its weights and the options that its scorers chose, see `part`; `settings` are its."""
        return self.filled(self.built(base, "model", settings), "")

    def filled(self, module: Module, name: str) -> Module:
        """A part with its weights, or without a name the whole model.

        Raises:
            InputError: it has others.
        """
        start = f"{name}." if name else ""
        own = {key.removeprefix(start): value for key, value in self._weights.items() if key.startswith(start)}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            raise InputError(
                f"{self.path}: its {name or 'model'} has other weights than its settings say: {error}"
            ) from error
        return module.eval()

    def normalisation(self) -> Normalisation:
        """The normalisation that the model was trained with; what is not said is as by default.

        Raises:
            InputError: options that no normalisation has.
        """
        options = self.options("data").get("normalisation")
        options = options.get("init_args", options) if isinstance(options, dict) else {}
        try:
            return Normalisation(**options)
        except (TypeError, InputError) as error:
            raise InputError(f"{self.path}: its normalisation cannot be built ({error}); use another one") from None


def load_encoder(path: Path) -> nn.Module:
    """The encoder with the weights of a checkpoint, in evaluation mode on the CPU.

    Raises:
        InputError: no checkpoint, or none whose encoder can be built.
    """
    encoder: nn.Module = Checkpoint(path).part("encoder")
    return encoder


def build_own(base: type, settings: Any, what: str, everything: bool = True) -> Any:
    """An object of this project or of `torch.nn`, from settings that may come from elsewhere.

    Args:
        base: what it is.
        settings: its `class_path` and `init_args`.
        what: it is, for error messages.
        everything: look at any string of the form of an import path, not only at every `class_path`.

    Raises:
        InputError: it cannot be built, or the settings name something else by its import path.
    """
    if not isinstance(settings, dict) or "class_path" not in settings:
        raise InputError(f"{what} names no class; use a checkpoint or run of this project")
    if strangers := [name for name in _named(settings, everything) if not name.startswith(OWN)]:
        raise InputError(f"{what} names {quoted(strangers[0])}, no class of this project; it is not built")
    try:
        with torch.random.fork_rng(devices=[]):  # weights are drawn, then overwritten
            return build(base, settings, what)
    except (MemoryError, RuntimeError, TypeError, ValueError) as error:  # sizes that training cannot have had
        raise InputError(f"{what} cannot be built: {' '.join(str(error).split())[:200]}") from error


def _named(tree: Any, everything: bool) -> Iterator[str]:
    """What settings name by its import path."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if key == "class_path" or (everything and isinstance(value, str) and _DOTTED.fullmatch(value)):
            yield str(value)
        else:
            yield from _named(value, everything)
