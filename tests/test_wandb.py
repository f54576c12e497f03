"""`--config wandb.yaml`, without an account: what W&B's own files say of a run is what its folder says."""

import csv
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.image
import pyarrow.parquet as pq
import pytest
import yaml

import run
from tests.conftest import REPO
from tests.datasets import FAST, options
from tests.forks import python
from tests.test_shipped_configs import CONTENT
from tests.wandb_files import OfflineRun, read_runs

pytest.importorskip("wandb")

DATASETS = sorted(name for name, keys in CONTENT.items() if "model" in keys and "class_path" in keys.get("data", {}))
OPTIONS = shlex.split("""
    --data.clips 61 --data.pairs.pairs_per_epoch 160 --data.batch_size 16 --trainer.max_epochs 2
    --trainer.log_every_n_steps 3 --trainer.enable_progress_bar false --trainer.enable_model_summary false
    --trainer.accelerator cpu --seed_everything 3
""")


def command(folder: Path, *words: str, overlay: str = "wandb.yaml") -> "subprocess.CompletedProcess[str]":
    """`python run.py words` in `folder`, as somebody who has no account."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"HOME": str(folder / "home"), "NETRC": str(folder / "home" / "netrc"), "PYTHONPATH": str(REPO)}
    configs = ["--config", "demo.yaml", *(["--config", overlay] if overlay else [])]
    return python(REPO / "run.py", words[0], *configs, *OPTIONS, *words[1:], cwd=folder, env=environment)


def rows(folder: Path) -> list[dict[str, float | None]]:
    """metrics.csv as W&B's rows are: other name of the step, no empty fields, None for NaN."""
    with (folder / "metrics.csv").open(newline="") as file:
        found = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [
        {
            "trainer/global_step" if key == "step" else key: None if value == "nan" else float(value)
            for key, value in row.items()
        }
        for row in found
    ]


@dataclass(frozen=True)
class Trained:
    """A run that was trained, then tested by a second process."""

    home: Path
    folder: Path
    said: tuple[str, str]
    fit: OfflineRun
    test: OfflineRun


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("trained")
    done = [command(home, word) for word in ("fit", "test")]
    assert [one.returncode for one in done] == [0, 0], done[0].stderr[-1500:] + done[1].stderr[-1500:]
    folder = home / "runs" / "demo" / "version_0"
    return Trained(home, folder, (done[0].stdout, done[1].stdout), *read_runs(folder))


def test_it_says_once_that_it_is_offline_and_how_to_upload(trained: Trained) -> None:
    for said, process in zip(trained.said, (trained.fit, trained.test), strict=True):
        (line,) = [line for line in said.splitlines() if "W&B" in line or "wandb" in line]
        start, _, place = line.rpartition(" ")
        assert start == "W&B: offline, not logged in (wandb login); to upload it later: wandb sync"
        assert trained.home / place == process.folder


def test_fit_and_test_are_one_run_with_names_that_sort(trained: Trained) -> None:
    for process in (trained.fit, trained.test):
        assert process.id == trained.fit.id != ""
        assert process.name == "demo v000 GCNEncoder seed 03"
        assert process.group == "demo GCNEncoder"
        assert process.project == "gcn-psn"
        assert sorted(process.tags) == ["Demo", "GCNEncoder", "demo", "seed 03"]
        assert process.exit_code == 0


def test_every_metric_arrives_with_its_step(trained: Trained) -> None:
    metrics = rows(trained.folder)
    tested = [row for row in metrics if "test/collapsed" in row]
    assert len(tested) == 1
    assert trained.fit.metrics() == [row for row in metrics if row not in tested]
    assert trained.test.metrics() == tested
    for process in (trained.fit, trained.test):
        assert process.steps == list(range(len(process.rows)))
    assert [row["trainer/global_step"] for row in metrics if "train/loss" in row] == [0, 3, 6, 9, 12, 15, 18]
    assert len([row for row in trained.fit.metrics() if "val/spearman_best" in row]) == 2


def test_config_and_code_version(trained: Trained) -> None:
    config = yaml.safe_load((trained.folder / "config.yaml").read_text())
    versions = yaml.safe_load((trained.folder / "versions.json").read_text())
    for process in (trained.fit, trained.test):
        assert {key: process.config[key] for key in config} == config
        assert process.config["versions"] == versions
        assert process.commit == versions["commit"]


def test_a_row_a_clip(trained: Trained) -> None:
    expected = pq.read_table(trained.folder / "test" / "predictions.parquet").to_pylist()
    assert len(expected) == 13
    assert trained.test.table("test/predictions") == expected
    validated = trained.fit.table("val/predictions")
    assert len(validated) > 3
    assert list(validated[0]) == ["clip", "action", "group", "score", "difficulty", "reference", "vote", "ridge"]
    assert not {row["clip"] for row in validated} & {row["clip"] for row in expected}


def test_scatter_plots_pictures_and_embeddings(trained: Trained) -> None:
    for part, process in (("val", trained.fit), ("test", trained.test)):
        predictions = process.table(f"{part}/predictions")
        for action in {row["action"] for row in predictions}:
            points = process.table(f"{part}/scatter/{action}_table")
            own = [row for row in predictions if row["action"] == action]
            assert points == [{key: row[key] for key in ("clip", "score", "reference")} for row in own]
        assert any("scatter/v0" in str(value) for value in process.config["_wandb"]["visualize"].values())
        for name in ("figure", "pairs", "embedding"):
            picture = process.media()[f"{part}/{name}"]
            pixels = matplotlib.image.imread(process.folder / "files" / picture["path"])
            assert pixels.shape[:2] == (picture["height"], picture["width"])
            assert len({tuple(pixel) for pixel in pixels[::7, ::7].reshape(-1, pixels.shape[2]).tolist()}) > 10
        poses = process.table(f"{part}/embedding_table")
        assert len(poses) == 20 * len(predictions) > 0 or len(poses) > 20 * len(predictions)  # some have two people
        assert {row["clip"] for row in poses} == {row["clip"] for row in predictions}
        assert len({(row["x"], row["y"]) for row in poses}) > len(poses) / 2


def test_all_files_are_in_the_folder_of_the_run(trained: Trained) -> None:
    assert {path.name for path in trained.home.iterdir()} <= {"runs", "data", "home"}
    assert {path.name for path in (trained.home / "runs" / "demo").iterdir()} == {"version_0"}
    home = [path for path in trained.home.glob("home/**/*") if path.is_file() and "wandb" in str(path)]
    assert not [path for path in home if path.suffix != ".log"], home  # a table there would be missed by `wandb sync`


# Runs that go on ------------------------------------------------------------------------------------------------------


def test_killed_and_resumed_is_one_run_that_lacks_nothing(tmp_path: Path) -> None:
    """Killed, W&B has not yet written a thing; what it lacks is taken from metrics.csv."""
    monitor = "lightning_modules.callbacks.run_monitor.RunMonitor"
    best = "run_folder.folder.BestCheckpoint"
    callbacks = [{"class_path": monitor, "init_args": {"every_n_steps": 4}}, {"class_path": best}]
    (tmp_path / "often.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks}}))
    folder = tmp_path / "runs" / "demo" / "version_0"
    last = folder / "checkpoints" / "last.ckpt"
    for hook, step in (("on_train_batch_end", 6), ("on_train_batch_end", 14), ("", 0)):
        kill = f"{{'class_path': 'tests.kill_at.KillAt', 'init_args': {{'hook': '{hook}', 'step': {step}}}}}"
        words = ["--config", "wandb.yaml", *([f"--trainer.callbacks+={kill}"] if hook else [])]
        words += [f"--ckpt_path={last}"] if last.exists() else []
        done = command(tmp_path, "fit", *words, "--trainer.log_every_n_steps=1", overlay="often.yaml")
        assert done.returncode == (-9 if hook else 0), done.stderr[-1500:]
    processes = read_runs(folder, killed=2)
    assert len(processes) == 3
    assert len({path.name.rpartition("-")[2] for path in folder.glob("wandb/offline-run-*")}) == 1
    metrics = rows(folder)
    assert [row["trainer/global_step"] for row in metrics if "train/loss" in row] == list(range(20))
    assert processes[-1].metrics() == metrics
    assert processes[-1].media().keys() >= {"val/predictions", "val/pairs"}


def test_a_run_that_fails_is_marked_as_failed(tmp_path: Path) -> None:
    raising = "{'class_path': 'tests.kill_at.RaiseAt', 'init_args': {'step': 5}}"
    done = command(tmp_path, "fit", f"--trainer.callbacks+={raising}")
    assert "raised on purpose" in done.stderr
    folder = tmp_path / "runs" / "demo" / "version_0"
    (process,) = read_runs(folder)
    assert process.exit_code == 1
    assert process.metrics() == rows(folder) != []


def test_of_two_processes_one_talks_to_wandb(tmp_path: Path) -> None:
    done = command(tmp_path, "fit", "--trainer.devices=2", "--trainer.strategy=ddp")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("W&B") == 1
    folder = tmp_path / "runs" / "demo" / "version_0"
    assert {path.name for path in folder.parent.iterdir()} == {"version_0"}
    assert not list(tmp_path.glob("wandb"))
    (process,) = read_runs(folder)
    assert process.metrics() == rows(folder)
    assert process.media().keys() >= {"val/predictions", "val/pairs", "val/embedding"}


# Every dataset, in this process ---------------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    yield
    assert "WANDB_DATA_DIR" not in os.environ


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("config", DATASETS)
def test_laid_over_every_dataset(config: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = [*options(config, tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    words[2:2] = ["--config", "wandb.yaml"]
    parts = {"fit": "val"}
    if config == "demo.yaml":
        parts |= {name: name for name in ("validate", "test", "predict")}
    for name in parts:
        assert run.main([name, *words]) == 0
        said = [line for line in capfd.readouterr().out.splitlines() if line.startswith("W&B")]
        assert len(said) == 1
        assert said[0].startswith("W&B: offline; ")
    (folder,) = (tmp_path / "runs" / config.removesuffix(".yaml")).iterdir()
    processes = read_runs(folder)
    assert len({process.id for process in processes}) == 1
    assert [row for process in processes for row in process.metrics()] == rows(folder)
    pictures = {"predictions", "figure", "pairs", "embedding", "embedding_table"}
    for part, process in zip(parts.values(), processes, strict=True):
        own = {key.removeprefix(f"{part}/") for key in process.media() if "/scatter/" not in key}
        assert own == (pictures if part != "predict" else {"predictions"})
    fold = {"fold 0"} if config == "speed21.yaml" else set()
    assert {tag for tag in processes[0].tags if tag.startswith("fold")} == fold


@pytest.mark.usefixtures("offline")
def test_twice_the_overlay_is_one_run(tmp_path: Path) -> None:
    words = [*options("demo.yaml", tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    words[2:2] = ["--config", "wandb.yaml", "--config", "wandb.yaml"]
    assert run.main(["fit", *words, "--trainer.callbacks.group=mine"]) == 0
    folder = tmp_path / "runs" / "demo" / "version_0"
    (process,) = read_runs(folder)
    assert process.group == "mine"
    assert process.metrics() == rows(folder)


@pytest.mark.usefixtures("offline")
def test_a_run_trained_without_wandb_is_logged_when_it_is_tested(tmp_path: Path) -> None:
    words = [*options("demo.yaml", tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    assert run.main(["fit", *words]) == 0
    assert not list(tmp_path.rglob("*wandb*"))
    assert run.main(["test", *words, "--config", "wandb.yaml"]) == 0
    folder = tmp_path / "runs" / "demo" / "version_0"
    (process,) = read_runs(folder)
    assert process.metrics() == rows(folder)
    assert len(process.metrics()) > 3
    assert process.config["model"] == yaml.safe_load((folder / "config.yaml").read_text())["model"]
