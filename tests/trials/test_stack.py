"""Trials trained as one stack end as the runs that they would have been alone."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from errors import InputError
from run_folder.trial import Trial
from tests.conftest import REPO
from tests.datasets import options
from trials.stack import STACKS, fit_group, groups

SETTINGS = ((0, 1.35, 1e-4), (1, 0.7, 1e-2), (2, 1.0, 1e-3))  # seed, margin, lr


def trials(root: Path, *more: str) -> list[Trial]:
    base = [
        *("=".join(options("demo.yaml", root)[:2]), *options("demo.yaml", root)[2:]),
        "--trainer.max_epochs=2",
        "--trainer.log_every_n_steps=1",
        "--data.pairs.pairs_per_epoch=1600",
        "--data.frames_per_clip=4",
        *more,
    ]
    return [
        Trial(f"member_{seed}", (*base, f"--seed_everything={seed}", f"--model.margin={margin}", f"--model.lr={lr}"))
        for seed, margin, lr in SETTINGS
    ]


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def losses(run: Path) -> list[float]:
    return [float(row["train/loss"]) for row in rows(run) if row["train/loss"]]


def checkpoint(run: Path, name: str) -> dict:
    loaded: dict = torch.load(run / "checkpoints" / name, weights_only=True)
    return loaded


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def runs(root: Path) -> tuple[Path, Path]:
    """The same trials in float64, as one stack and one by one."""
    members = trials(root, "--trainer.precision=64-true")
    together, alone = root / "together", root / "alone"
    assert [len(group) for group in groups(members, 8)] == [3]
    assert fit_group(members, together) == [None] * 3
    for trial in members:
        assert fit_group([trial], alone) == [None]
    return together, alone


@pytest.mark.parametrize("seed", [seed for seed, _, _ in SETTINGS])
def test_losses_of_50_steps_are_those_of_the_run_alone(runs: tuple[Path, Path], seed: int) -> None:
    together, alone = (losses(folder / f"member_{seed}") for folder in runs)
    assert len(together) == len(alone) == 50
    assert max(abs(a - b) for a, b in zip(together, alone, strict=True)) < 1e-8
    print(f"seed {seed}: losses differ by {max(abs(a - b) for a, b in zip(together, alone, strict=True)):.1e} at most")


@pytest.mark.parametrize("seed", [seed for seed, _, _ in SETTINGS])
def test_what_a_member_leaves_is_what_the_run_alone_leaves(runs: tuple[Path, Path], seed: int) -> None:
    mine, theirs = (folder / f"member_{seed}" for folder in runs)
    files = [{str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()} for run in (mine, theirs)]
    assert files[0] == files[1]
    configs = [yaml.safe_load((run / "config.yaml").read_text()) for run in (mine, theirs)]
    for config in configs:
        del config["trainer"]["logger"][0]["init_args"]["folder"]
    assert configs[0] == configs[1]
    assert len(rows(mine)) == len(rows(theirs))
    for row, other in zip(rows(mine), rows(theirs), strict=True):
        for key, value in other.items():
            assert (row[key] == "") == (value == ""), key
            if value:
                assert float(row[key]) == pytest.approx(float(value), abs=2e-6), key
    for name in ("best.ckpt", "last.ckpt"):
        found, expected = checkpoint(mine, name), checkpoint(theirs, name)
        assert found.keys() == expected.keys()
        assert found["global_step"] == expected["global_step"]
        assert found["callbacks"].keys() >= expected["callbacks"].keys() - {"RunMonitor"}
        for key, value in expected["state_dict"].items():
            torch.testing.assert_close(found["state_dict"][key], value, rtol=0, atol=1e-8)
        moments = [state["optimizer_states"][0]["state"] for state in (found, expected)]
        for index, value in moments[1].items():
            torch.testing.assert_close(moments[0][index]["exp_avg"], value["exp_avg"], rtol=0, atol=1e-8)


def test_a_member_goes_on_alone_as_the_run_alone_does(runs: tuple[Path, Path], root: Path) -> None:
    longer = trials(root, "--trainer.precision=64-true", "--trainer.max_epochs=3")[1]
    ends = []
    for folder in runs:
        assert fit_group([longer], folder) == [None]
        ends.append(losses(folder / longer.name))
    assert len(ends[0]) == 75
    assert ends[0] == pytest.approx(ends[1], abs=1e-8)


def test_first_step_in_float32(root: Path, tmp_path: Path) -> None:
    members = trials(root, "--trainer.max_steps=1", "--trainer.max_epochs=-1")
    assert fit_group(members, tmp_path / "together") == [None] * 3
    for trial in members:
        assert fit_group([trial], tmp_path / "alone") == [None]
        (mine,), (theirs,) = (losses(tmp_path / folder / trial.name) for folder in ("together", "alone"))
        assert mine == pytest.approx(theirs, abs=1e-6)


KILLED = """
import os, sys
from pathlib import Path
from lightning_modules.callbacks.member_runs import MemberRuns
from tests.trials.test_stack import fit_group, trials
after = MemberRuns.on_train_batch_end
def die(self, trainer, *more):
    after(self, trainer, *more)
    if trainer.global_step == int(sys.argv[3]): os._exit(9)
MemberRuns.on_train_batch_end = die
fit_group(trials(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_killed_stack_goes_on_where_it_was(root: Path, tmp_path: Path) -> None:
    members = trials(root)
    for step in ("13", "38"):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, root, tmp_path / "killed", step],
            cwd=REPO,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 9, done.stderr[-2000:]
    assert list((tmp_path / "killed" / STACKS).glob("*.ckpt"))
    for folder in ("killed", "whole"):
        assert fit_group(members, tmp_path / folder) == [None] * 3
    assert not list((tmp_path / "killed" / STACKS).glob("*.ckpt"))
    for trial in members:
        mine, whole = tmp_path / "killed" / trial.name, tmp_path / "whole" / trial.name
        assert rows(mine) == rows(whole)
        for name in ("best.ckpt", "last.ckpt"):
            for key, value in checkpoint(whole, name)["state_dict"].items():
                assert torch.equal(checkpoint(mine, name)["state_dict"][key], value)


def test_what_cannot_share_a_stack_does_not(root: Path) -> None:
    seeds = trials(root)
    wide = Trial("wide", (*seeds[0].arguments, "--model.encoder.channels=8"))
    longer = Trial("longer", (*seeds[0].arguments, "--trainer.max_epochs=3"))
    fewer = Trial("fewer", (*seeds[0].arguments, "--data.batch_size=32"))
    clipped = Trial("clipped", (*seeds[0].arguments, "--trainer.gradient_clip_val=1"))
    logger = "--trainer.logger+=lightning.pytorch.loggers.CSVLogger"
    watched = Trial("watched", (*seeds[0].arguments, logger, "--trainer.logger.save_dir=x"))
    online = Trial("online", (*seeds[0].arguments, "--config=wandb.yaml"))
    gap = Trial("gap", (*seeds[0].arguments, "--data.pairs.score_gap=0.5"))
    found = groups([*seeds, wide, longer, fewer, clipped, watched, online, gap], 8)
    names = [[trial.name for trial in group] for group in found]
    assert names[0] == ["member_0", "member_1", "member_2", "gap"]
    assert names[1:] == [["wide"], ["longer"], ["fewer"], ["clipped"], ["watched"], ["online"]]
    assert [len(group) for group in groups([*seeds, gap], 3)] == [2, 2]
    with pytest.raises(InputError, match="margn"):
        groups([Trial("x", (*seeds[0].arguments, "--model.margn=1"))], 8)


def test_one_members_fault_is_not_that_of_the_others(root: Path, tmp_path: Path) -> None:
    members = trials(root, "--trainer.max_epochs=1")
    wrong = Trial("wrong", (*members[0].arguments, "--data.pairs.score_gap=1000", "--data.pairs.other_action_share=1"))
    nowhere = Trial("nowhere", (*members[0].arguments, "--data.val_share=2"))
    found = fit_group([members[0], nowhere, wrong], tmp_path)
    assert found[0] is None
    assert "share of clips" in str(found[1])
    assert (tmp_path / "member_0" / "checkpoints" / "best.ckpt").exists()
