"""`python run.py fit|validate|test|predict`: a LightningCLI over any model and data module."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from commands.configs import CONFIGS, ConfigFile, Parser
from errors import InputError
from lightning_modules.callbacks.run_record import RunRecord
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.run_folder import run_of_checkpoint, versions

RUN_FOLDER = "lightning_modules.run_folder.RunFolder"


class PoseCLI(LightningCLI):
    """Adds to LightningCLI: configs by bare name, runs found and continued in their folders, one-line errors."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser whose --config looks in configs/ too."""
        parser = self.parser_class(**kwargs)
        parser.add_argument("-c", "--config", action=ConfigFile, help="a YAML file, or the name of one in configs/")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """One seed for weights and pairs."""
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, then find the checkpoint and the run folder it belongs to, and compare settings with that run's."""
        self.config = parser.parse_args(args)
        config = self.config[self.config.subcommand]
        if self.config.subcommand != "fit" and config.ckpt_path is None:
            config.ckpt_path = str(_newest_checkpoint(config))
            print(f"checkpoint: {config.ckpt_path} (the newest run; --ckpt_path chooses another)", flush=True)
        if config.ckpt_path is not None:
            self._continue(config)

    def _continue(self, config: Namespace) -> None:
        checkpoint = Path(config.ckpt_path)
        saved = load_checkpoint(checkpoint).get("config")
        if saved is not None:
            mine = yaml.safe_load(self._subcommand_parsers[self.config.subcommand].dump(config, skip_none=False))
            _compare(yaml.safe_load(saved), mine, checkpoint, resuming=self.config.subcommand == "fit")
        run = run_of_checkpoint(checkpoint)
        for logger in _run_folders(config):
            if run is not None:
                logger.init_args.folder = str(run)


def _run_folders(config: Namespace) -> list[Namespace]:
    loggers = config.trainer.logger
    loggers = loggers if isinstance(loggers, list) else [loggers]
    return [logger for logger in loggers if getattr(logger, "class_path", None) == RUN_FOLDER]


def _newest_checkpoint(config: Namespace) -> Path:
    """The best checkpoint of the newest run of this config.

    Raises:
        InputError: there is none.
    """
    parents = [Path(logger.init_args.save_dir) / logger.init_args.name for logger in _run_folders(config)]
    for parent in parents:
        for _, run in reversed(versions(parent)):
            if (found := run / "checkpoints" / "best.ckpt").exists():
                return found
    where = str(parents[0]) if parents else "runs"
    raise InputError(
        f"no trained model in {where}; train one first with `python run.py fit` and the same --config, or give "
        "--ckpt_path"
    )


def _compare(saved: dict[str, Any], mine: dict[str, Any], checkpoint: Path, resuming: bool) -> None:
    """Refuse settings that the checkpoint would silently overrule, or that its weights were not trained for."""
    ours, theirs = _flat(mine), _flat(saved)
    kept = ("model.", "data.", "seed_everything") if resuming else ("model.", "data.init_args.normalisation.")
    differing = [
        key
        for key in sorted(ours.keys() | theirs.keys())
        if key.startswith(kept) and ours.get(key) != theirs.get(key)
    ]
    if differing:
        key = differing[0]
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        why = "a resumed run goes on with its own settings" if resuming else "a checkpoint is used as it was trained"
        run = run_of_checkpoint(checkpoint)
        how = f"use --config {run / 'config.yaml'}" if run else "use the config it was trained with"
        raise InputError(
            f"{checkpoint}: trained with {key.replace('init_args.', '')} = {theirs.get(key)}, given {ours.get(key)}"
            f"{more}; {why}: {how}, or train anew"
        )


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list):
        items = {str(i): value for i, value in enumerate(tree)}.items()
    else:
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def run(arguments: Sequence[str]) -> int:
    """Parse and run `[fit|validate|test|predict, ...]`; returns the exit code."""
    argv, sys.argv = sys.argv, sys.argv[:1]  # LightningCLI warns when both its args and sys.argv are there
    try:
        PoseCLI(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            trainer_class=Trainer,
            seed_everything_default=0,
            save_config_callback=RunRecord,
            parser_class=Parser,
            parser_kwargs={name: {"default_config_files": [str(CONFIGS / "trainer.yaml")]} for name in PoseCLI.subcommands()},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=list(arguments),
        )
    finally:
        sys.argv = argv
    return 0
