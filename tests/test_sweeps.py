"""Sweeps with real fits in real processes, killed at random moments; sweep files as W&B's agent would use them."""

import os
import random
import shlex
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import run
from run_folder.trial import read_record
from tests.commands.sweeps import ledger, sweep_file, values
from tests.conftest import REPO
from tests.forks import Child, start
from trials.sweep.search import read_sweep, suggest, words

OPTIONS = shlex.split("""
    --data.clips 48 --data.pairs.pairs_per_epoch 160 --data.batch_size 16 --trainer.max_epochs 2
    --trainer.log_every_n_steps 1 --trainer.accelerator cpu
""")
COUNT = 4
WAIT = 600  # seconds; for machines that do much else


def sweep(file: Path, output: Path, *more: str) -> Child:
    words = ["run.py", "sweep", f"--config={file}", f"--output={output}", *OPTIONS, *more]
    return start(*words, f"--data.root={file.parent / 'demo'}", env={**os.environ, "WANDB_MODE": "offline"})


def metrics(output: Path) -> dict[str, Any]:
    """What the trials logged, but for the time."""
    return {trial["name"]: (output / trial["name"] / "metrics.csv").read_text() for trial in ledger(output)["trials"]}


def complaints(said: str) -> list[str]:
    """What is on standard error beside the data's line that they are made."""
    return [line for line in said.splitlines() if "synthetic clips" not in line]


def files(output: Path) -> set[Path]:
    return {path for path in output.rglob("*") if path.is_file()}


def test_a_bayes_search_killed_at_random_moments_is_the_one_that_never_was(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    whole = sweep(file, tmp_path / "whole", f"--count={COUNT}")
    said, complained = whole.communicate(timeout=WAIT)
    assert (whole.returncode, complaints(complained)) == (0, []), said
    assert f"{COUNT} trials: {COUNT} finished" in said

    chance = random.Random(0)
    ends = []
    for files_more in (3, 12):  # killed so soon after so many files more are there
        process = sweep(file, tmp_path / "killed", f"--count={COUNT}")
        goal = len(files(tmp_path / "killed")) + files_more
        end = time.monotonic() + WAIT
        while len(files(tmp_path / "killed")) < goal and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(chance.random() / 2)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        ends.append(process.returncode)
    assert ends == [-signal.SIGKILL] * 2
    last = sweep(file, tmp_path / "killed", f"--count={COUNT}")
    said, complained = last.communicate(timeout=WAIT)
    assert (last.returncode, complaints(complained)) == (0, []), said
    assert values(tmp_path / "killed") == values(tmp_path / "whole")
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    assert len(values(tmp_path / "killed")) == COUNT


def test_a_trial_that_fails_and_one_beside_it_logged_to_wandb(tmp_path: Path) -> None:
    wandb_files = pytest.importorskip("tests.wandb_files")
    file = sweep_file(tmp_path, method="grid", parameters={"model.margin": {"values": [5.0, 1.0]}}, project="mine")
    process = sweep(file, tmp_path / "out", "--wandb", "--parallel=2")
    said, complained = process.communicate(timeout=WAIT)
    assert (process.returncode, complaints(complained)) == (1, []), said
    assert "FAILED: margin must lie in (0, 2]" in " ".join(said.replace("│", " ").split())
    records = [read_record(tmp_path / "out" / name) for name in ("trial_000", "trial_001")]
    assert [record.status for record in records if record] == ["failed", "finished"]
    (logged,) = wandb_files.read_runs(tmp_path / "out" / "trial_001")
    assert (logged.project, logged.group) == ("mine", "tiny")
    assert logged.config["model"]["init_args"]["margin"] == 1.0
    (again,) = [line for line in said.splitlines() if line.startswith("again: ")]
    assert "wandb" not in again


@pytest.mark.parametrize("path", sorted((REPO / "sweeps").glob("*.yaml")), ids=lambda path: path.name)
def test_the_command_of_wandbs_agent_is_one_of_run_py(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = pytest.importorskip("wandb.wandb_agent")
    sweep = read_sweep(path)
    chosen = suggest(sweep, 0, [])
    assert chosen is not None
    commands = []

    class Process:
        def __init__(self, *, command: list[str], **more: Any) -> None:
            commands.append(command)

    monkeypatch.setattr(agent, "AgentProcess", Process)
    monkeypatch.chdir(tmp_path)  # it writes the parameters into a file
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        monkeypatch.setenv(name, "")  # it sets them
    this = SimpleNamespace(
        _in_jupyter=False, _sweep_command=list(sweep.content["command"]), _function=None, _forward_signals=False,
        _run_processes={}, _last_report_time=None,
    )  # fmt: skip
    args = {key: {"value": value} for key, value in chosen.items()}
    agent.Agent._command_run(this, {"run_id": "abc", "program": sweep.content["program"], "args": args})
    ((env, python, program, *rest),) = commands
    assert (env, python, program) == ("/usr/bin/env", "python", "run.py")
    assert rest == ["fit", "--config", "aqa7.yaml", *words(chosen)]
    with pytest.raises(SystemExit) as caught:
        run.main([*rest, "--print_config"])
    assert caught.value.code == 0
    config = yaml.safe_load(capsys.readouterr().out)
    for key, value in chosen.items():
        place: Any = config
        for part in key.split("."):
            place = place.get("init_args", {}).get(part, place.get(part)) if isinstance(place, dict) else None
        assert place == value, key
