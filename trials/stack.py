"""Trials of one shape, trained together as one stacked model; others one by one."""

import copy
import hashlib
import json
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning import Callback, Trainer

from cli.fit_options import FitOptions
from cli.pose_cli import RUN_FOLDER, PoseCLI, make_cli, train
from datamodules.base import PoseDataModule
from datamodules.sampling.stacked_pairs import StackedPairs
from errors import InputError
from lightning_modules.callbacks.member_runs import MemberRun, MemberRuns
from lightning_modules.callbacks.run_monitor import RunMonitor
from lightning_modules.pose_similarity import PoseSimilarity
from lightning_modules.stacked.stacked_similarity import StackedPoseSimilarity
from run_folder.checkpoint_io import load_checkpoint
from run_folder.folder import RunFolder, RunRecord, SafeCheckpointIO
from run_folder.layout import LAST
from run_folder.trial import Trial
from trials.run_evaluation import data_key

STACKS = ".stacks"
"""Folder, beside those of the trials, of the checkpoints that unfinished stacks go on from."""

# What members of a stack may differ in: the key in the config, without `init_args`.
_FREE = (
    "seed_everything",
    "model.margin",
    "model.lr",
    "model.scorers",
    "data",  # but for what `_SHARED_DATA` names
    "trainer.logger",
)
_SHARED_DATA = ("data.batch_size", "data.pairs.pairs_per_epoch")
_SHAPE_OF_TRAINING = (
    "max_epochs",
    "max_steps",
    "log_every_n_steps",
    "check_val_every_n_epoch",
    "precision",
    "accelerator",
    "deterministic",
)
"""Options of the trainer that a stack passes on; with any other but these and the bars, trials train one by one."""
_NO_MATTER = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
_PLAIN = {
    "lightning_modules.callbacks.run_monitor.RunMonitor",
    "run_folder.folder.BestCheckpoint",
    "lightning_modules.callbacks.evaluation_report.EvaluationReport",
    "lightning.pytorch.callbacks.RichProgressBar",
}
"""Callbacks whose work `MemberRuns` does, or that are not needed for many models at once."""


def groups(trials: Sequence[Trial], most: int) -> list[list[Trial]]:
    """Trials that can train as one stack, in groups of at most `most`; a trial that cannot is a group of its own.

    Raises:
        InputError: an option of a trial is unknown or of another type.
    """
    options = FitOptions()
    plain = options.flat(options.parse(["--config=demo.yaml"]))  # any shipped config leaves the trainer as it is
    found: dict[str, list[Trial]] = {}
    for number, trial in enumerate(trials):
        shape = _shape(options.parse(trial.arguments), options, plain)
        found.setdefault(f"alone {number}" if shape is None else shape, []).append(trial)
    return [part for members in found.values() for part in split(members, most)]


def split(members: Sequence[Trial], most: int) -> list[list[Trial]]:
    """Members in as few parts of at most `most` as can be, as equal as can be, in their order."""
    count = -(-len(members) // most)
    return [list(members[i * len(members) // count : (i + 1) * len(members) // count]) for i in range(count)]


def _shape(config: Namespace, options: FitOptions, plain: dict[str, Any]) -> str | None:
    """What trials of one stack have in common; None if this one cannot be in a stack."""
    if config.model.class_path != f"{PoseSimilarity.__module__}.{PoseSimilarity.__name__}":
        return None
    flat = options.flat(config)
    trainer = {key: value for key, value in flat.items() if key.startswith("trainer.")}
    known = tuple(f"trainer.{name}" for name in (*_SHAPE_OF_TRAINING, *_NO_MATTER, "callbacks"))
    if any(value != plain.get(key) and not key.startswith(known) for key, value in trainer.items()):
        return None
    callbacks = config.trainer.callbacks or []
    if any(callback.class_path not in _PLAIN for callback in callbacks):
        return None
    loggers = config.trainer.logger if isinstance(config.trainer.logger, list) else [config.trainer.logger]
    if [getattr(logger, "class_path", None) for logger in loggers] != [RUN_FOLDER]:
        return None
    shared = {
        key: value
        for key, value in flat.items()
        if key.startswith(_SHARED_DATA)
        or not key.startswith((*_FREE, *(f"trainer.{name}" for name in _NO_MATTER), "trainer.callbacks"))
    }
    return json.dumps(shared, sort_keys=True, default=str)


def fit_group(trials: Sequence[Trial], output: Path) -> list[str | None]:
    """Train trials in their folders below `output`, from where an earlier try was killed.

    Several are trained as one stack; if that fails, one by one, so that one trial's fault is not that of all.

    Returns:
        For each trial None, or a line on why it failed.
    """
    if len(trials) > 1:
        try:
            _fit_stack(trials, output)
        except (Exception, SystemExit):
            traceback.print_exc()
            print("as one stack they failed; now one by one", flush=True)
        else:
            return [None] * len(trials)
    return [_fit_alone(trial, output / trial.name) for trial in trials]


def words(trial: Trial, folder: Path) -> list[str]:
    """The command line, after `run.py`, that trains a trial in a folder.

    The folder comes after the configs that the options begin with: a config at the end may add loggers.
    """
    arguments = list(trial.arguments)
    begin = next((i for i, word in enumerate(arguments) if not word.startswith("--config=")), len(arguments))
    bars = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    return ["fit", *arguments[:begin], f"--trainer.logger.folder={folder}", *bars, *arguments[begin:]]


def _fit_alone(trial: Trial, folder: Path) -> str | None:
    last = folder / LAST
    if last.is_file() and _run([*words(trial, folder), f"--ckpt_path={last}"]) is None:
        return None
    if last.is_file():  # a checkpoint that cannot be gone on from, such as that of another version
        last.unlink()
    return _run(words(trial, folder))


def _run(command: list[str]) -> str | None:
    try:
        code = train(command)
    except (Exception, SystemExit) as error:
        if not isinstance(error, InputError):
            traceback.print_exc()
        return f"{type(error).__name__}: {' '.join(str(error).split())}".removeprefix("InputError: ")
    return f"fit ended with exit code {code}; see its log" if code else None


class _Prepared(PoseCLI):
    """Builds what `fit` would, but does not train."""

    def fit(self, **options: Any) -> None:
        """Nothing yet."""


def _fit_stack(trials: Sequence[Trial], output: Path) -> None:
    key = hashlib.sha256(json.dumps([trial.name for trial in trials]).encode()).hexdigest()[:16]
    whole = output / STACKS / f"{key}.ckpt"
    commands = [words(trial, output / trial.name) for trial in trials]
    prepared = [make_cli(_Prepared, command) for command in commands]
    first = prepared[0].config["fit"].trainer
    every_n_steps = next((c.every_n_steps for c in _callbacks(prepared[0]) if isinstance(c, RunMonitor)), 500)
    texts = [next(c.text for c in _callbacks(cli) if isinstance(c, RunRecord)) for cli in prepared]
    runs = [
        MemberRun(RunFolder(folder=str(output / trial.name)), text, ["run.py", *command])
        for trial, text, command in zip(trials, texts, commands, strict=True)
    ]
    sources = _set_up(prepared)
    model = StackedPoseSimilarity([cli.model for cli in prepared], sources)
    trainer = Trainer(
        **{name: first[name] for name in _SHAPE_OF_TRAINING},
        devices=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        plugins=[SafeCheckpointIO()],
        callbacks=[MemberRuns(runs, whole, every_n_steps)],
    )
    usable = whole.is_file() and _readable(whole)
    trainer.fit(model, datamodule=StackedPairs(sources), ckpt_path=str(whole) if usable else None, weights_only=True)
    whole.unlink(missing_ok=True)


def _readable(path: Path) -> bool:
    try:
        load_checkpoint(path)
    except InputError:
        return False
    return True


def _callbacks(cli: PoseCLI) -> list[Callback]:
    found: list[Callback] = cli.trainer.callbacks  # type: ignore[attr-defined]  # not declared by Trainer
    return found


def _set_up(prepared: Sequence[PoseCLI]) -> list[PoseDataModule]:
    """The data modules, ready to train; those that differ only in what is drawn from the data read it once."""
    read: dict[str, PoseDataModule] = {}
    ready = []
    for cli in prepared:
        source: PoseDataModule = cli.datamodule
        key = data_key({"data": cli.config["fit"].data.as_dict()})
        if key not in read:
            source.prepare_data()
            source.setup("fit")
            read[key] = source
        own = copy.copy(read[key])
        own.seed, own.pairs = source.seed, source.pairs
        own.train_dataloader()  # complains where its pairs cannot be drawn
        ready.append(own)
    return ready
