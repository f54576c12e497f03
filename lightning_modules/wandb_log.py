"""The run on Weights & Biases: what it is called, where its files are, and that it stays one run."""

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from errors import InputError, quoted
from files import write_atomically
from run_folder.history import STEP, read_metrics

if TYPE_CHECKING:
    from wandb import Run

STATE = "wandb.json"
"""File in the run's folder: the id of its run on W&B, and how many rows of metrics.csv that one has for certain."""

_LONGEST_TAG = 64  # W&B refuses more
_DATA_DIR = "WANDB_DATA_DIR"
_MODES: Final[dict[str, Literal["online", "offline", "disabled"]]] = {
    "online": "online", "offline": "offline", "disabled": "disabled", "run": "online", "dryrun": "offline",
}  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """By what a run is found and sorted on W&B.

    Attributes:
        name: config, number of the run, encoder, fold and seed, numbers padded so that names sort.
        group: config and encoder: the runs that differ in fold, seed or options.
        tags: the parts of the name, and the dataset.
    """

    name: str
    group: str
    tags: tuple[str, ...]


def labels(folder: Path, *, encoder: str, dataset: str, seed: int | None = None, fold: int | None = None) -> Labels:
    """Labels of the run in `folder`, which is `<config>/version_<n>`, or `<variant>/<trial>` of a sweep or ablation."""
    folder = folder.resolve()
    config, own = folder.parent.name, folder.name
    number = own.removeprefix("version_")
    own = f"v{int(number):03}" if number.isdigit() else own
    parts = [encoder]
    if fold is not None:
        parts.append(f"fold {fold}")
    if seed is not None:
        parts.append(f"seed {seed:02}")
    tags = [part[:_LONGEST_TAG] for part in (config, dataset, *parts) if part]
    return Labels(" ".join((config, own, *parts)), f"{config} {encoder}", tuple(dict.fromkeys(tags)))


class WandbLog(WandbLogger):
    """A run on W&B that belongs to a run's folder; only the main process has one.

    Its id is kept in the folder, so that a run that is resumed, or tested later, is the same run on W&B. Its files go
    to `<folder>/wandb`. What a killed process had not written yet is taken from metrics.csv by `catch_up`.

    Args:
        folder: of the run.
        run: as `start` gave it.
    """

    def __init__(self, folder: Path, run: "Run") -> None:
        super().__init__(save_dir=str(folder), experiment=run)
        self._folder = folder

    def catch_up(self) -> None:
        """Log the rows of metrics.csv that no process has logged to its end: of a killed one, or one without W&B."""
        for row in read_metrics(self._folder)[1][_state(self._folder)["rows"] :]:
            values = {key: float(value) for key, value in row.items() if value and key != STEP}
            self.log_metrics(values, int(row[STEP]) if row[STEP] else None)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run here and write what is left of it; `status` is Lightning's, "success" or "failed"."""
        self.experiment.finish(exit_code=int(status != "success"))
        _keep(self._folder, {**_state(self._folder), "rows": len(read_metrics(self._folder)[1])})
        if os.environ.get(_DATA_DIR) == _data_folder(self._folder):
            del os.environ[_DATA_DIR]


def start(
    folder: Path, labels: Labels, *, project: str, entity: str | None, group: str | None, tags: Sequence[str]
) -> "tuple[Run | None, str]":
    """Begin or go on with the W&B run of a folder: online when logged in, offline otherwise.

    WANDB_MODE and the other variables of W&B decide where they are set.

    Args:
        folder: of the run.
        labels: what it is called.
        project: on W&B.
        entity: user or team on W&B; None for the default one.
        group: in place of that of `labels`.
        tags: beside those of `labels`.

    Returns:
        The run, None if W&B is disabled, and a line that says whether it is online, and where.

    Raises:
        InputError: there is no wandb, its folder cannot be written to, or it refuses the run.
    """
    try:
        import wandb
    except ImportError as error:
        raise InputError(f"W&B needs the package wandb ({error}): pip install wandb, or leave wandb.yaml out") from None
    wanted = os.environ.get("WANDB_MODE")
    if wanted is not None and wanted not in _MODES:
        raise InputError(f"WANDB_MODE is {quoted(wanted)}, expected online, offline or disabled")
    given: dict[str, Any] = {
        "project": project,
        "entity": entity,
        "name": labels.name,
        "run_group": group or labels.group,
        "tags": [*labels.tags, *tags],
    }
    asked = {key: value for key, value in given.items() if f"WANDB_{key.upper()}" not in os.environ}
    asked["group"] = asked.pop("run_group", None)
    try:
        settings = wandb.setup(settings=wandb.Settings(show_info=False)).settings  # we say it in one line
        mode = _MODES.get(wanted or settings.mode, "online")  # `wandb offline` sets the latter
        if mode == "disabled":
            return None, "W&B: disabled"
        state = _prepare(folder)
        lonely = wanted is None and mode == "online" and not wandb.login(prompt=False, verify=False)
        run = wandb.init(
            **asked,
            id=state["id"],
            dir=folder,
            resume="allow",
            mode="offline" if lonely else mode,
            settings=wandb.Settings(git_root=str(Path(__file__).resolve().parents[1])),
        )
    except (wandb.Error, ValueError, OSError) as error:
        wandb.teardown(exit_code=1)  # it would have a last word, after our line
        raise InputError(f"W&B: {error}; correct that, or set WANDB_MODE=offline, or leave wandb.yaml out") from error
    _keep(folder, {**state, "id": run.id})  # of a sweep's run, the agent's
    os.environ.setdefault(_DATA_DIR, _data_folder(folder))  # else tables wait for their upload in the home folder
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    if not run.offline:
        return run, f"W&B: online, {run.url}"
    why = "offline, not logged in (wandb login)" if lonely else "offline"
    return run, f"W&B: {why}; to upload it later: wandb sync {run.settings.sync_dir}"


def _prepare(folder: Path) -> dict[str, Any]:
    """What is known of the folder's W&B run; makes the folder of its files.

    Raises:
        InputError: the folder cannot be written to.
    """
    try:
        (folder / "wandb").mkdir(parents=True, exist_ok=True)
        state = _state(folder)
        _keep(folder, state)
    except OSError as error:
        raise InputError(
            f"{folder / 'wandb'}: cannot be written to ({error.strerror}); W&B keeps its files there: free it, or "
            "leave wandb.yaml out"
        ) from error
    return state


def _state(folder: Path) -> dict[str, Any]:
    """What STATE says; of a new run, an id that nobody has."""
    try:
        state = json.loads((folder / STATE).read_bytes())
        name, rows = str(state["id"]), int(state["rows"])
        if not re.fullmatch(r"[\w-]+", name) or rows < 0:
            raise ValueError(f"id {quoted(name)}, {rows} rows")
        return {"id": name, "rows": rows}
    except FileNotFoundError:
        # an agent of a sweep has chosen the id
        return {"id": os.environ.get("WANDB_RUN_ID") or secrets.token_hex(5), "rows": 0}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / STATE}: is not what W&B's run was kept in ({error}); remove it") from error


def _keep(folder: Path, state: Mapping[str, Any]) -> None:
    write_atomically(folder / STATE, json.dumps(state) + "\n")


def _data_folder(folder: Path) -> str:
    return str((folder / "wandb" / "data").resolve())
