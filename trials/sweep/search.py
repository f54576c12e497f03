"""A W&B sweep file, and W&B's own engine (the package `sweeps`) that chooses the parameters of the next trial."""

import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from errors import InputError, quoted
from run_folder.trial import Status
from settings import read_yaml

with warnings.catch_warnings():
    # the engine still writes a setting of pydantic as it was called in pydantic 1; it is without effect
    warnings.filterwarnings("ignore", message="Valid config keys have changed in V2")
    from sweeps.config import fill_parameter, schema_violations_from_proposed_config
    from sweeps.run import RunState, SweepRun, next_run, stop_runs

METHODS = ("grid", "random", "bayes")

_REFUSED = (ValueError, TypeError, AssertionError, AttributeError, KeyError, jsonschema.ValidationError)
"""What the engine raises over a file that it cannot use."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Attributes:
        path: the file.
        content: as written, all of it.
        before: words of the command between `fit` and `${args}`.
        after: its words after `${args}`.
    """

    path: Path
    content: Mapping[str, Any]
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def name(self) -> str:
        """Title of the sweep: its own, or that of the file."""
        return str(self.content.get("name") or self.path.stem)

    @property
    def method(self) -> str:
        """One of METHODS."""
        return str(self.content["method"])

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return str(self.content["metric"]["name"])

    @property
    def maximize(self) -> bool:
        """Whether more of the metric is better; W&B's default is less."""
        return bool(self.content["metric"].get("goal") == "maximize")

    @property
    def stops_early(self) -> bool:
        """Whether trials that fall behind are to be ended."""
        return "early_terminate" in self.content


@dataclass(frozen=True)
class Seen:
    """What the engine is told of a trial.

    Attributes:
        name: of the trial.
        values: its parameters.
        status: how it ended; None if it has not.
        history: the metric, epoch by epoch; undefined values are left out.
    """

    name: str
    values: Mapping[str, Any]
    status: Status | None
    history: Sequence[float] = ()


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file and check it against W&B's schema, and against what this project can do.

    Raises:
        InputError: it is not there, no sweep file, or one that another program is for.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no sweep file; it needs keys such as 'method:' and 'parameters:'")
    if content.get("method") not in METHODS:
        raise InputError(f"{path}: method is {quoted(content.get('method'))}, expected one of {', '.join(METHODS)}")
    _check_parameters(path, content.get("parameters"))
    _check_metric(path, content.get("metric"))
    try:
        wrong = schema_violations_from_proposed_config(content)
    except _REFUSED as error:
        wrong = [_line(error)]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} (by W&B's schema of sweep files); correct it")
    sweep = Sweep(path, content, *_command(path, content))
    _try_out(sweep)
    return sweep


def suggest(sweep: Sweep, number: int, seen: Sequence[Seen]) -> dict[str, Any] | None:
    """Parameters of a trial, by dotted key.

    Args:
        sweep: what to search.
        number: of the trial, from 0; the engine's random state follows from it alone.
        seen: the trials before it.

    Returns:
        The parameters; None when a grid is used up.

    Raises:
        InputError: the engine refuses the sweep.
    """
    with _seeded(number):
        try:
            found = next_run(dict(sweep.content), [_run(sweep, one) for one in seen])
        except _REFUSED as error:
            raise InputError(f"{sweep.path}: {_line(error)}; correct the sweep file") from error
    return None if found is None else {key: _plain(inner["value"]) for key, inner in found.config.items()}


def to_stop(sweep: Sweep, seen: Sequence[Seen]) -> set[str]:
    """Names of the running trials that fall behind so far that W&B would end them; `seen` has the ended ones too."""
    if not sweep.stops_early:
        return set()
    return {str(run.name) for run in stop_runs(dict(sweep.content), [_run(sweep, one) for one in seen])}


def words(values: Mapping[str, Any]) -> list[str]:
    """Parameters as options, written as W&B's agent writes `${args}`."""
    return [f"--{key}={value}" for key, value in values.items()]


# What a sweep file may say --------------------------------------------------------------------------------------------


def _check_parameters(path: Path, found: Any) -> None:
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: parameters are missing; name at least one, such as model.margin: {{values: [1, 2]}}")
    for key, spec in found.items():
        where = f"{path}: parameter {key}"
        if not isinstance(spec, dict):
            raise InputError(f"{where} is {quoted(spec)}, expected value, values, or a distribution with its options")
        if "parameters" in spec:
            raise InputError(f"{where}: nested parameters are no options of fit; write flat keys, {key}.<option>")
        try:
            filled = fill_parameter(str(key), spec)
        except _REFUSED as error:
            raise InputError(f"{where}: {_line(error).removeprefix(f'{key}: ')}; correct it") from None
        if filled is None:
            raise InputError(
                f"{where}: {quoted(spec)} is no distribution that W&B knows; write for example {{values: [1, 2]}}, "
                "{min: 0.5, max: 2.0} or {distribution: log_uniform_values, min: 1.0e-05, max: 0.01}"
            )


def _check_metric(path: Path, found: Any) -> None:
    name = found.get("name") if isinstance(found, dict) else None
    if not isinstance(name, str) or not name:
        raise InputError(f"{path}: the metric is missing; write metric: {{name: val/spearman_best, goal: maximize}}")
    if not name.startswith(("val/", "train/")):
        raise InputError(f"{path}: metric is {quoted(name)}; a sweep chooses by validation, such as val/spearman_best")


def _command(path: Path, content: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words of the command between `fit` and `${args}`, and after."""
    program = content.get("program")
    if not isinstance(program, str) or Path(program).name != "run.py":
        raise InputError(f"{path}: program is {quoted(program)}, expected run.py: a trial is a run of its command fit")
    command = [str(word) for word in content.get("command") or ()]
    expected = "[${env}, ${interpreter}, ${program}, fit, --config, aqa7.yaml, ${args}]"
    start = [word for word in command if word not in ("${env}", "${interpreter}")][:2]
    if start != ["${program}", "fit"] or command.count("${args}") != 1:
        raise InputError(f"{path}: command is {quoted(command)}, expected something like {expected}")
    own = command[command.index("fit") + 1 :]
    if macros := [word for word in own if "${" in word and word != "${args}"]:
        raise InputError(f"{path}: command has {quoted(macros[0])}, which is not for run.py; expected {expected}")
    place = own.index("${args}")
    return tuple(own[:place]), tuple(own[place + 1 :])


def _try_out(sweep: Sweep) -> None:
    """Have the engine choose and judge once: some of what it refuses it says only then."""
    values = suggest(sweep, 0, [])
    if values is None:
        raise InputError(f"{sweep.path}: the grid is empty; give every parameter a value")
    try:
        to_stop(sweep, [Seen("a", values, None, [0.0])])
    except _REFUSED as error:
        raise InputError(f"{sweep.path}: early_terminate: {_line(error)}; correct it") from error


def _line(error: BaseException) -> str:
    return " ".join(str(getattr(error, "message", error)).split()) or type(error).__name__


# The engine -----------------------------------------------------------------------------------------------------------


def _run(sweep: Sweep, seen: Seen) -> SweepRun:
    states = {None: RunState.running, "failed": RunState.failed}
    return SweepRun(
        name=seen.name,
        config={key: {"value": value} for key, value in seen.values.items()},
        state=states.get(seen.status, RunState.finished),
        history=[{sweep.metric: value} for value in seen.history],
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The engine draws from the global generators of numpy and Python: seed them, then put them back."""
    before = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before[0])  # noqa: NPY002
        random.setstate(before[1])


def _plain(value: Any) -> Any:
    """Without numpy's types, whose names would end up on the command line."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value
