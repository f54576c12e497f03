"""Sweep files by W&B's own schema, and its engine: repeatable, and as good as it should be."""

import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sweeps.config import SweepConfig
from sweeps.run import RunState, SweepRun, stop_runs

from errors import InputError
from tests.conftest import REPO
from trials.sweep.search import Seen, Sweep, read_sweep, suggest, to_stop, words

SHIPPED = sorted((REPO / "sweeps").glob("*.yaml"))
BAYES: dict[str, Any] = {
    "program": "run.py",
    "method": "bayes",
    "metric": {"name": "val/spearman_best", "goal": "maximize"},
    "parameters": {
        "model.margin": {"min": 0.2, "max": 2.0},
        "model.lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1},
        "data.pairs.pairs_per_epoch": {"min": 1000, "max": 5000},
        "model.encoder.bias": {"values": [True, False]},
    },
    "command": ["${env}", "${interpreter}", "${program}", "fit", "--config", "demo.yaml", "${args}", "--data.clips=48"],
}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "some.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in (BAYES | changes).items() if value is not None}))
    return path


def searched(sweep: Sweep, count: int) -> list[dict[str, Any]]:
    """Suggestions one after the other, each told how good the ones before it were."""
    seen: list[Seen] = []
    for number in range(count):
        values = suggest(sweep, number, seen)
        assert values is not None
        quality = -abs(values["model.margin"] - 1.3) - abs(math.log10(values["model.lr"]) + 3) / 4
        seen.append(Seen(f"t{number}", values, "finished", [quality]))
    return [dict(one.values) for one in seen]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_are_sweep_files_to_wandb(path: Path) -> None:
    SweepConfig(yaml.safe_load(path.read_text()))
    sweep = read_sweep(path)
    assert sweep.metric == "val/spearman_best"
    assert sweep.maximize
    assert sweep.before == ("--config", "aqa7.yaml")


def test_three_are_shipped() -> None:
    assert [path.stem for path in SHIPPED] == ["encoder", "margin", "margin_lr"]


def test_a_search_is_the_same_again_and_leaves_the_generators_alone(tmp_path: Path) -> None:
    sweep = read_sweep(written(tmp_path))
    first = searched(sweep, 6)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    again = searched(sweep, 6)
    after = np.random.rand(), random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    assert after == (np.random.rand(), random.random())  # noqa: NPY002
    assert first == again
    assert len({str(values) for values in first}) == 6


def test_values_are_those_of_python(tmp_path: Path) -> None:
    values = searched(read_sweep(written(tmp_path)), 3)[2]
    assert {key: type(value) for key, value in values.items()} == {
        "data.pairs.pairs_per_epoch": int, "model.encoder.bias": bool, "model.lr": float, "model.margin": float,
    }  # fmt: skip


def test_bayes_finds_better_parameters_than_chance(tmp_path: Path) -> None:
    def best(method: str) -> float:
        found = searched(read_sweep(written(tmp_path, method=method)), 20)
        return min(abs(float(one["model.margin"]) - 1.3) + abs(math.log10(one["model.lr"]) + 3) / 4 for one in found)

    assert best("bayes") < best("random")


def test_a_grid_is_gone_through_once(tmp_path: Path) -> None:
    parameters = {"model.margin": {"values": [0.5, 1.0]}, "seed_everything": {"values": [0, 1, 2]}}
    sweep = read_sweep(written(tmp_path, method="grid", parameters=parameters))
    seen: list[Seen] = []
    while (values := suggest(sweep, len(seen), seen)) is not None:
        seen.append(Seen(str(len(seen)), values, None))
    assert len(seen) == 6
    assert {(one.values["model.margin"], one.values["seed_everything"]) for one in seen} == {
        (margin, seed) for margin in (0.5, 1.0) for seed in (0, 1, 2)
    }


@pytest.mark.parametrize("strict", [True, False])
def test_who_falls_behind_is_the_answer_of_wandb(tmp_path: Path, strict: bool) -> None:
    terms = {"type": "hyperband", "min_iter": 2, "eta": 2, "strict": strict}
    sweep = read_sweep(written(tmp_path, early_terminate=terms))
    histories = {"good": [0.1, 0.5, 0.6], "bad": [0.4, 0.2, 0.2], "ended": [0.4, 0.45, 0.5], "young": [0.0]}
    status = {"ended": "finished"}
    seen = [Seen(name, {}, status.get(name), history) for name, history in histories.items()]  # type: ignore[arg-type]
    runs = [
        SweepRun(
            name=name,
            state=RunState.finished if name in status else RunState.running,
            history=[{"val/spearman_best": value} for value in history],
        )
        for name, history in histories.items()
    ]
    expected = {run.name for run in stop_runs(dict(sweep.content), runs)}
    assert to_stop(sweep, seen) == expected == {"bad"}
    assert to_stop(read_sweep(written(tmp_path)), seen) == set()


def test_options_are_written_as_the_agent_writes_them() -> None:
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    values = {"model.lr": 1e-05, "seed_everything": 3, "data.sports": ["diving"], "a": None, "b": True, "c": "x y"}
    command = {"args": {key: {"value": value} for key, value in values.items()}}
    assert words(values) == utils.create_sweep_command_args(command)["args"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "method": ({"method": "gredy"}, "method is 'gredy', expected one of grid, random, bayes"),
    "custom": ({"method": "custom"}, "method is 'custom'"),
    "no method": ({"method": None}, "method is None"),
    "metric": ({"metric": None}, "the metric is missing"),
    "test": ({"metric": {"name": "test/spearman", "goal": "maximize"}}, "chooses by validation"),
    "goal": ({"metric": {"name": "val/spearman", "goal": "up"}}, "'up' is not one of"),
    "parameters": ({"parameters": None}, "parameters are missing"),
    "number": ({"parameters": {"model.margin": 3}}, "parameter model.margin is 3"),
    "order": ({"parameters": {"model.margin": {"min": 2.0, "max": 1.0}}}, "min 2.0 is not less than max 1.0"),
    "distribution": ({"parameters": {"a": {"distribution": "unifrm", "min": 1, "max": 2}}}, "no distribution that W&B"),
    "shares": ({"parameters": {"a": {"values": [1, 2], "probabilities": [0.5, 0.6]}}}, "do not sum to 1"),
    "nested": ({"parameters": {"model": {"parameters": {"margin": {"value": 1}}}}}, "write flat keys, model.<option>"),
    "constant": ({"parameters": {"model.margin": {"value": 1.0}}}, "at least one searchable parameter"),
    "grid": ({"method": "grid"}, "disallowed type with grid search"),
    "stop": ({"early_terminate": {"type": "hyperband"}}, "early_terminate|not valid under any of the given schemas"),
    "bands": ({"early_terminate": {"type": "hyperband", "max_iter": 2, "s": 1, "eta": 3}}, "Bands must"),
    "unknown": ({"paramters": {}}, "'paramters' was unexpected"),
    "program": ({"program": "train.py"}, "program is 'train.py', expected run.py"),
    "no command": ({"command": None}, "command is \\[\\]"),
    "validate": ({"command": ["${program}", "validate", "${args}"]}, "expected something like"),
    "no args": ({"command": ["${program}", "fit"]}, "expected something like"),
    "macro": ({"command": ["${program}", "fit", "${args_json}", "${args}"]}, "has '\\${args_json}'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_in_a_line(tmp_path: Path, name: str) -> None:
    changes, message = WRONG[name]
    with pytest.raises(InputError, match=message) as caught:
        read_sweep(written(tmp_path, **changes))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "some.yaml") in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "\x00", "method: bayes\n  x: 1"])
def test_what_is_no_sweep_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"some\.yaml"):
        read_sweep(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_sweep(tmp_path)


def test_the_engine_says_nothing_of_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import trials.sweep.search"], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
