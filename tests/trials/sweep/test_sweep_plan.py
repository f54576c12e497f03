"""What sweep.json and the folders of its trials say of a sweep, whatever state they were left in."""

import json
from pathlib import Path
from typing import Any

import pytest

from errors import InputError
from run_folder.trial import Record, Status
from tests.commands.sweeps import write_metrics
from trials.sweep.sweep_plan import Entry, Ledger


def opened(output: Path, **changes: Any) -> Ledger:
    about: dict[str, Any] = {"sweep": {"method": "grid"}, "options": ["--a=1"], "metric": "val/spearman_best"}
    return Ledger(output, **{**about, "maximize": True, **changes})


def end(output: Path, name: str, status: Status = "finished") -> None:
    Record("tiny", "sweep", {}, (), status, "bad luck" if status == "failed" else None, 3.0).write(output / name)


def test_trials_are_there_before_they_begin_and_after_they_end(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.begin([Entry(f"t{i}", {"model.lr": 10.0**-i}, (f"--model.lr={10.0**-i}",)) for i in range(4)])
    assert [entry.status for entry in opened(tmp_path).entries] == [None] * 4
    for name, metric in (("t0", [0.1, 0.4, 0.3]), ("t1", [0.2, 0.5]), ("t2", [0.9])):
        (tmp_path / name).mkdir()
        write_metrics(tmp_path / name, metric)
    end(tmp_path, "t0")
    end(tmp_path, "t1", "stopped")
    end(tmp_path, "t2", "failed")
    again = opened(tmp_path)
    assert [entry.status for entry in again.entries] == ["finished", "stopped", "failed", None]
    assert [entry.metric for entry in again.entries] == [0.4, 0.5, None, None]
    assert [entry.epochs for entry in again.entries] == [3, 2, 0, 0]
    assert again.entries[2].error == "bad luck"
    assert again.entries[1].arguments == ("--model.lr=0.1",)
    assert [entry.name for entry in again.ranked()] == ["t1", "t0", "t2", "t3"]
    best = again.best()
    assert best is not None
    assert best.name == "t1"
    least = opened(tmp_path, maximize=False).best()
    assert least is not None
    assert (least.name, least.metric) == ("t0", 0.1)
    (tmp_path / "t0" / "trial.json").unlink()
    assert opened(tmp_path).entries[0] == Entry("t0", {"model.lr": 1.0}, ("--model.lr=1.0",))


def test_a_row_that_was_cut_off_and_an_undefined_rho_are_no_metric(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.begin([Entry("t0", {}, ())])
    assert ledger.history("t0") == []
    (tmp_path / "t0").mkdir()
    write_metrics(tmp_path / "t0", [float("-inf"), float("nan"), 0.25])
    with (tmp_path / "t0" / "metrics.csv").open("a") as file:
        file.write("3,3")
    assert ledger.history("t0") == [0.25]
    end(tmp_path, "t0")
    assert ledger.update("t0").metric == 0.25


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"trials": [{"name": 1}], "sweep": {}, "options": []}'])
def test_what_is_no_ledger_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(InputError, match="is no ledger of a sweep"):
        opened(tmp_path)


def test_a_ledger_is_of_one_sweep_with_one_set_of_options(tmp_path: Path) -> None:
    opened(tmp_path).begin([])
    assert opened(tmp_path).entries == []
    with pytest.raises(InputError, match="another sweep file"):
        opened(tmp_path, sweep={"method": "random"})
    with pytest.raises(InputError, match=r"have the options --a=1; give the same"):
        opened(tmp_path, options=["--a=2"])
    assert json.loads((tmp_path / "sweep.json").read_text())["options"] == ["--a=1"]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "logs").mkdir()
    assert opened(tmp_path).entries == []
    (tmp_path / "version_0").mkdir()
    with pytest.raises(InputError, match="holds version_0"):
        opened(tmp_path)
