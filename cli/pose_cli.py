"""A LightningCLI over any model and data module, for fit, validate, test and predict."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException

from cli.config_files import BASE, given, on_the_line
from cli.parse_errors import Parser
from errors import InputError, some
from lightning_modules.callbacks.peer_watch import PeerWatch
from run_folder.checkpoint_io import config_of, load_checkpoint
from run_folder.folder import RunRecord
from run_folder.layout import BEST, CONFIG, LAST, VERSIONS, reading, run_of_checkpoint, versions
from run_folder.origin import read_config
from settings import flatten

RUN_FOLDER = "run_folder.folder.RunFolder"
SAME_CLIPS = {
    "root", "cache", "media", "frames_per_clip", "batch_size", "pairs", "seed", "exemplar_pairs", "features",
}  # fmt: skip
"""Options of data that do not change which clips are in the training part."""
PLACES = ("root", "cache", "labels_csv", "media", "features")
"""Options of data that say where they lie."""


class PoseCLI(LightningCLI):
    """Adds to LightningCLI: configs by bare name, runs found and continued in their folders, one-line errors."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser, which adds --config itself."""
        return self.parser_class(**kwargs)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """One seed for weights and pairs."""
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, then find the checkpoint and the run folder it belongs to, and compare settings with that run's."""
        assert isinstance(parser, Parser)
        self.config = parser.parse_args(args)
        config = self.config[self.config.subcommand]
        _check_seed(config.seed_everything, getattr(parser, "args", []))
        mine = parser.plain(self.config)[self.config.subcommand]
        _check_encoder(mine)
        if self.config.subcommand != "fit" and config.ckpt_path is None:
            config.ckpt_path = str(_newest_checkpoint(config, mine))
            print(f"checkpoint: {config.ckpt_path} (the newest such run; --ckpt_path chooses another)", flush=True)
        if config.ckpt_path is not None:
            checkpoint = Path(config.ckpt_path)
            saved, resuming = load_checkpoint(checkpoint), self.config.subcommand == "fit"
            _check_settings(saved, mine, checkpoint, resuming)
            run = run_of_checkpoint(checkpoint)
            if run is not None and not resuming:
                _take_places(config, run, config_of(saved).get("data"), parser.args)
            for logger in _run_folders(config):
                logger.init_args.folder = None if run is None else str(run)

    def before_instantiate_classes(self) -> None:
        """`--trainer.enable_progress_bar false` takes the bar of configs/trainer.yaml away; Lightning would object."""
        trainer = self.config[self.config.subcommand].trainer
        if trainer.enable_progress_bar is False:
            callbacks = trainer.callbacks if isinstance(trainer.callbacks, list) else []
            trainer.callbacks = [callback for callback in callbacks if not callback.class_path.endswith("ProgressBar")]

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer.

        Raises:
            InputError: it refuses an option: Lightning's ValueErrors are for the user, its words can be shown.
        """
        try:
            return super().instantiate_trainer(**kwargs)
        except ValueError as error:
            raise InputError(f"trainer: {error}") from error

    def after_instantiate_classes(self) -> None:
        """Refuse the checkpoint of another model while there is no run folder; our own table stands for Lightning's."""
        checkpoint = self.config[self.subcommand].ckpt_path
        if checkpoint is not None:
            saved = load_checkpoint(checkpoint)
            self.model.on_load_checkpoint(saved)
            if self.subcommand == "fit":
                _check_complete(saved, {"fit_loop": self.trainer.fit_loop.state_dict()}, checkpoint)
        if self.subcommand in ("validate", "test"):
            self.config_init[self.subcommand].verbose = False


def _run_folders(config: Namespace) -> list[Namespace]:
    loggers = config.trainer.logger
    loggers = loggers if isinstance(loggers, list) else [loggers]
    return [logger for logger in loggers if getattr(logger, "class_path", None) == RUN_FOLDER]


def _check_seed(seed: int | bool, words: Sequence[str]) -> None:
    """Refuse what Lightning would take as "any seed", and a seed of the pairs that the other one overrules.

    Raises:
        InputError: not a seed.
    """
    if isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise InputError(f"seed_everything is {str(seed).lower()}, expected a whole number from 0 to {2**32 - 1}")
    for item in given(words):
        if item.key == "data.seed" and item.value != str(seed):
            raise InputError(
                f"{item.where}: data.seed is {item.value}, but follows seed_everything, which is {seed}; set "
                "seed_everything"
            )


def _newest_checkpoint(config: Namespace, mine: dict[str, Any]) -> Path:
    """The best checkpoint of the newest run with this model; what is newer is named, and why it is passed over.

    Raises:
        InputError: there is none.
    """
    parents = [Path(logger.init_args.save_dir) / logger.init_args.name for logger in _run_folders(config)]
    passed: dict[str, list[str]] = {}
    for run in (run for parent in parents for _, run in reversed(versions(parent)) if (run / CONFIG).exists()):
        found = run / BEST
        theirs = config_of(load_checkpoint(found)) if found.exists() else read_config(run)
        differing = _differing(theirs, mine, resuming=False)
        why = "trained with another model or normalisation" if differing else ""
        if why or not found.exists():
            why = why or f"without a best checkpoint, as no validation has ended (--ckpt_path takes {LAST} too)"
            passed.setdefault(why, []).append(run.name)
            continue
        for why, runs in passed.items():
            print(f"newer, but passed over: {some(runs)}, {why}", flush=True)
        return found
    where = str(parents[0]) if parents else "runs"
    more = "".join(f" ({some(runs)}: {why})" for why, runs in passed.items())
    raise InputError(
        f"no model trained with these settings in {where}{more}; train one with `python run.py fit` and the same "
        "options, or give --ckpt_path"
    )


def _take_places(config: Namespace, run: Path, data: Any, words: Sequence[str]) -> None:
    """Look for `data` of a run where its command said that they lie, except for what `words` say themselves."""
    path = run / VERSIONS
    if not path.is_file() or data["class_path"] != config.data.class_path:
        return
    with reading(path):
        command = json.loads(path.read_bytes())["command"]
    told = {item.key for item in on_the_line(command)} - {item.key for item in on_the_line(words)}
    places = {name: data["init_args"][name] for name in PLACES if f"data.{name}" in told}
    places = {name: value for name, value in places.items() if value != config.data.init_args.get(name)}
    for name, value in places.items():
        config.data.init_args[name] = value
    if places:
        said = ", ".join(f"data.{name} {value}" for name, value in places.items())
        print(f"data as in the run: {said} (the same options choose others)", flush=True)


def _check_settings(saved: dict[str, Any], mine: dict[str, Any], checkpoint: Path, resuming: bool) -> None:
    """Refuse settings that the checkpoint would silently overrule, or that its weights were not trained for.

    Raises:
        InputError: some differ, or the checkpoint lacks what Lightning needs.
    """
    needed = {"epoch", "pytorch-lightning_version"}
    needed |= {"loops", "optimizer_states", "lr_schedulers"} if resuming else set()
    if lacking := sorted(needed - saved.keys()):
        raise InputError(
            f"{checkpoint}: lacks {', '.join(lacking)}; use last.ckpt or best.ckpt of a run's folder, which hold all"
        )
    if differing := _differing(config_of(saved), mine, resuming):
        # another class before its arguments, which differ with it
        key, (theirs, ours) = min(differing.items(), key=lambda item: not item[0].endswith("class_path"))
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        why = "a resumed run goes on with its own settings" if resuming else "a checkpoint is used as it was trained"
        run = run_of_checkpoint(checkpoint)
        how = f"use --config {run / CONFIG}" if run else "use the config it was trained with"
        raise InputError(
            f"{checkpoint}: trained with {key} = {theirs}, given {ours}{more}; {why}: {how}, or train anew"
        )


def _check_complete(saved: dict[str, Any], loops: dict[str, Any], checkpoint: Any) -> None:
    """Refuse to resume where the state of the loops or of the optimizers is only there in part.

    Raises:
        InputError: something lacks.
    """

    def whole(theirs: Any, ours: Any) -> bool:
        if not isinstance(ours, dict):
            return ours is None or isinstance(theirs, type(ours))
        return isinstance(theirs, dict) and all(key in theirs and whole(theirs[key], ours[key]) for key in ours)

    def trained(state: Any) -> bool:
        if not whole(state, {"state": {}, "param_groups": []}):
            return False
        moments, groups = state["state"], state["param_groups"]
        if not all(isinstance(one, dict) for one in (*moments.values(), *groups)):
            return False
        numbers = [number for group in groups for number in group.get("params", [])]
        names = [moment.keys() for moment in moments.values()]
        return bool(numbers) and moments.keys() <= set(numbers) and all(one == names[0] for one in names)

    optimizers = saved["optimizer_states"]
    if not whole(saved["loops"], loops) or not isinstance(optimizers, list) or not all(map(trained, optimizers)):
        raise InputError(
            f"{checkpoint}: the state of its training is incomplete; resume from last.ckpt or best.ckpt of a run"
        )


def _check_encoder(mine: dict[str, Any]) -> None:
    """Refuse a trained encoder as a source of features that was trained on other parts of the same dataset, or on poses
    normalised in another way.

    Raises:
        InputError: an option differs.
    """  # noqa: D205
    source = (mine["model"].get("init_args") or {}).get("source") or {}
    checkpoint = (source.get("init_args") or {}).get("checkpoint")
    if checkpoint is None:
        return
    saved = config_of(load_checkpoint(checkpoint)).get("data") or {}
    theirs, ours = (dict(data.get("init_args") or {}) for data in (saved, mine["data"]))
    looks = [dict(options.pop("normalisation", None) or {}) for options in (theirs, ours)]
    parts = theirs.keys() & ours.keys() - SAME_CLIPS if saved.get("class_path") == mine["data"]["class_path"] else set()
    pairs = [(key, theirs[key], ours[key]) for key in sorted(parts)]
    pairs += [(f"normalisation.{key}", looks[0][key], looks[1][key]) for key in looks[0].keys() & looks[1].keys()]
    for key, their, our in pairs:
        if their != our:
            raise InputError(
                f"{checkpoint}: its encoder was trained with data.{key} = {their}, here it is {our}: poses may look "
                "different, or clips to test be among those that it was trained on; give the checkpoint of a run with "
                "the same"
            )


def _differing(saved: dict[str, Any], mine: dict[str, Any], resuming: bool) -> dict[str, tuple[Any, Any]]:
    """Settings that must be those of a run and are not: key -> (theirs, ours); none if it says nothing."""
    theirs, ours = (flatten(one, items=True) for one in (saved, mine if saved else {}))
    kept = ("model.", "data.", "seed_everything") if resuming else ("model.", "data.normalisation.")
    return {
        key: (theirs.get(key), ours.get(key))
        for key in sorted(ours.keys() | theirs.keys())
        if key.startswith(kept) and ours.get(key) != theirs.get(key)
    }


def train(arguments: Sequence[str]) -> int:
    """Parse and run `[fit|validate|test|predict, ...]`; returns the exit code."""
    own = list(arguments) == sys.argv[1:]  # then LightningCLI reads them itself, as Lightning's launchers expect
    watch = PeerWatch()
    try:
        make_cli(PoseCLI, None if own else list(arguments), watch)
    except MisconfigurationException as error:
        raise InputError(str(error)) from error
    except SIGTERMException:
        return 128 + signal.SIGTERM
    except RuntimeError:
        if not watch.told:
            raise
        return 1
    return 0


def make_cli(cls: type[PoseCLI], arguments: list[str] | None, *callbacks: Callback) -> PoseCLI:
    """Parse `arguments` (those of the process if None), build what they name, and do what they say."""
    return cls(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        save_config_callback=RunRecord,
        save_config_kwargs={"command": ["run.py", *(sys.argv[1:] if arguments is None else arguments)]},
        trainer_defaults={"callbacks": list(callbacks)},
        parser_class=Parser,
        parser_kwargs={name: {"default_config_files": [str(BASE)]} for name in PoseCLI.subcommands()},
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        args=arguments,
    )
