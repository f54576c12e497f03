"""Which run `test` takes, and where it then looks for data."""

import json
import shutil
from pathlib import Path

import pytest

import run
from tests.data.keypoint_folder.make import make
from tests.refusal import FAST, assert_one_line, assert_refused

Capture = pytest.CaptureFixture[str]
WORDS = ["--config", "keypoint_folder.yaml", *FAST]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data elsewhere than the config says, and one run on them."""
    folder = tmp_path_factory.mktemp("fitted")
    made = make(folder)
    places = [f"--data.labels_csv={made / 'labels.csv'}", "--data.cache", str(folder / "cache")]
    assert run.main(["fit", *WORDS, *places, f"--trainer.logger.save_dir={folder / 'runs'}"]) == 0
    return folder


@pytest.fixture
def folder(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a copy of that run as runs/keypoint_folder/version_0."""
    shutil.copytree(fitted / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "keypoint_folder"


def test_data_lie_where_the_command_of_the_run_said(fitted: Path, folder: Path, capsys: Capture) -> None:
    assert run.main(["test", *WORDS]) == 0
    said = capsys.readouterr().out
    assert f"data as in the run: data.cache {fitted / 'cache'}, data.labels_csv {fitted}" in said
    again = ["--data.cache=elsewhere", f"--ckpt_path={folder / 'version_0' / 'checkpoints' / 'best.ckpt'}"]
    assert run.main(["predict", *WORDS, *again]) == 2
    said, wrong = capsys.readouterr()
    assert "data as in the run: data.labels_csv" in said
    assert "data.cache" not in said
    assert_one_line(wrong, "elsewhere")


def test_a_config_that_the_run_did_not_overrule_counts(fitted: Path, folder: Path, capsys: Capture) -> None:
    path = folder / "version_0" / "versions.json"
    versions = json.loads(path.read_text())
    for words in (["run.py", "fit", "--config", "gone.yaml"], None):
        path.write_text(json.dumps(versions | {"command": words})) if words else path.unlink()
        assert_refused(capsys, folder, ["test", *WORDS], "data/mine")
    path.write_text("{}")
    assert_refused(capsys, folder, ["test", *WORDS], "versions.json: cannot be read")


def test_a_newer_run_is_not_passed_over_in_silence(folder: Path, capsys: Capture) -> None:
    for version in (1, 2):
        shutil.copytree(folder / "version_0", folder / f"version_{version}")
    (folder / "version_1" / "checkpoints" / "best.ckpt").unlink()
    (folder / "version_3").mkdir()  # nothing began there
    config = folder / "version_2" / "config.yaml"
    shutil.rmtree(folder / "version_2" / "checkpoints")
    assert run.main(["test", *WORDS]) == 0
    said = capsys.readouterr().out
    assert "newer, but passed over: 'version_2', 'version_1', without a best checkpoint, as no validation" in said
    assert "checkpoint: runs/keypoint_folder/version_0/checkpoints/best.ckpt" in said

    config.write_text(config.read_text().replace(" channels: 2", " channels: 8"))
    assert run.main(["test", *WORDS]) == 0
    said = capsys.readouterr().out
    assert "newer, but passed over: 'version_2', trained with another model or normalisation\n" in said
    assert "newer, but passed over: 'version_1', without a best checkpoint" in said

    shutil.rmtree(folder / "version_0")
    assert_refused(capsys, folder, ["test", *WORDS], "no model trained", "'version_1': without", "'version_2': trained")
    config.write_text("data: [")
    assert_refused(capsys, folder, ["test", *WORDS], "version_2/config.yaml, line 2: not YAML")
