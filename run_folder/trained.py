"""The encoder of a trained model, from its checkpoint alone."""

from pathlib import Path
from typing import Any, cast

import yaml
from jsonargparse import ArgumentError, ArgumentParser
from torch import nn

from errors import InputError, quoted
from poses.normalisation import Normalisation
from run_folder.checkpoint_io import load_checkpoint

ENCODERS = "lightning_modules.encoders."


def load_encoder(path: Path) -> nn.Module:
    """The encoder with the weights of a checkpoint, in evaluation mode on the CPU.

    The checkpoint says which class it is; only classes of `lightning_modules.encoders` are built, so that a file from
    elsewhere cannot name anything else.

    Raises:
        InputError: no checkpoint, or none whose encoder can be built.
    """
    checkpoint = load_checkpoint(path)
    config = _encoder_config(yaml.safe_load(checkpoint.get("config") or ""))
    class_path = config.get("class_path") if isinstance(config, dict) else None
    if not isinstance(class_path, str) or not class_path.startswith(ENCODERS):
        raise InputError(
            f"{path}: its encoder is {quoted(class_path)}, not a class of {ENCODERS.rstrip('.')}; it is not built"
        )
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(nn.Module, "encoder")
    weights = {
        name.removeprefix("encoder."): value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith("encoder.")
    }
    try:
        encoder = cast(nn.Module, parser.instantiate_classes(parser.parse_object({"encoder": config})).encoder)
        encoder.load_state_dict(weights)
    except (ArgumentError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: its encoder cannot be built: {error}") from error
    return encoder.eval()


def load_normalisation(path: Path) -> Normalisation:
    """The normalisation that a checkpoint was trained with; what it does not say is as by default.

    Raises:
        InputError: no checkpoint, or one that names options that no normalisation has.
    """
    config = yaml.safe_load(load_checkpoint(path).get("config") or "")
    options = _below(config, "data", "init_args", "normalisation")
    options = options.get("init_args", options) if isinstance(options, dict) else {}
    try:
        return Normalisation(**options)
    except (TypeError, InputError) as error:
        raise InputError(f"{path}: its normalisation cannot be built ({error}); use another checkpoint") from None


def _encoder_config(config: Any) -> Any:
    return _below(config, "model", "init_args", "encoder")


def _below(config: Any, *keys: str) -> Any:
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config
