import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import run as program
import trials.run_evaluation
from datamodules.base import PoseDataModule
from run_folder.trial import Record
from tests.trials.conftest import CONFIGS
from trials.run_evaluation import evaluate_runs, load_data

Fitted = Callable[..., Path]
FILES = ("test/metrics.json", "test/predictions.parquet", "test/pairs.json")


@pytest.mark.parametrize("config", CONFIGS)
def test_a_test_without_a_trainer_is_the_same(config: str, fitted: Fitted) -> None:
    ours, theirs = fitted(config, "ours"), fitted(config, "theirs")
    words = ["--config", str(theirs / "config.yaml"), "--ckpt_path", str(theirs / "checkpoints" / "best.ckpt")]
    assert program.main(["test", *words]) == 0
    assert evaluate_runs([ours]) == [None]
    for name in FILES:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def test_what_a_trial_cost(fitted: Fitted) -> None:
    run = fitted("speed21.yaml")
    Record("a sweep", "sweep", {}, (), "finished", seconds=12.5, members=8).write(run)
    assert evaluate_runs([run]) == [None]
    cost = json.loads((run / "cost.json").read_bytes())
    assert (cost["fit_seconds"], cost["members"]) == (12.5, 8)


def test_a_bad_run_does_not_stop_the_others(fitted: Fitted, tmp_path: Path) -> None:
    good, torn, strange, other = (fitted("speed21.yaml", name) for name in ("good", "torn", "strange", "other"))
    checkpoint = torn / "checkpoints" / "best.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    config = yaml.safe_load((strange / "config.yaml").read_text())
    config["model"]["init_args"]["encoder"]["class_path"] = "lightning_modules.encoders.no_such_file.Encoder"
    (strange / "config.yaml").write_text(yaml.safe_dump(config))
    outcomes = evaluate_runs([torn, good, strange, tmp_path / "nothing", other])
    assert outcomes[1] is outcomes[4] is None
    for folder, outcome in ((torn, outcomes[0]), (strange, outcomes[2]), (tmp_path / "nothing", outcomes[3])):
        assert outcome is not None
        assert str(folder) in outcome
        assert "\n" not in outcome
        assert not (folder / "test").exists()
    for folder in (good, other):
        assert all((folder / name).is_file() for name in (*FILES, "robustness.parquet", "cost.json"))


def test_a_mistake_of_the_program_is_that_runs_line(fitted: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("a\nbug")

    monkeypatch.setattr("lightning_modules.clip_model.evaluate", broken)
    run = fitted("speed21.yaml")
    assert evaluate_runs([run]) == [f"{run}: ZeroDivisionError: a bug"]


def test_runs_on_the_same_clips_share_the_data(fitted: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(key: str) -> PoseDataModule:
        loaded.append(key)
        return load_data(key)

    monkeypatch.setattr(trials.run_evaluation, "load_data", load)
    runs = [fitted("speed21.yaml", name) for name in ("one", "two", "aspect")]
    special: list[dict[str, object]] = [{"batch_size": 9}, {}, {"normalisation": {"keep_aspect": True}}]
    for run, options in zip(runs, special, strict=True):
        config = yaml.safe_load((run / "config.yaml").read_text())
        config["data"]["init_args"] |= {"val_share": 0.25, **options}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert evaluate_runs([*runs, *runs]) == [None] * 6
    assert len(loaded) == 2
    assert (runs[0] / FILES[0]).read_bytes() == (runs[1] / FILES[0]).read_bytes()
    assert (runs[0] / FILES[0]).read_bytes() != (runs[2] / FILES[0]).read_bytes()
