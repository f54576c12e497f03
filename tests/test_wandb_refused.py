"""What W&B refuses, or lacks: one line and exit code 2."""

import errno
import http.server
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import run
from lightning_modules.wandb_log import STATE
from tests.datasets import options
from tests.refusal import FAST, assert_one_line

wandb = pytest.importorskip("wandb")

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A fit with the overlay, into `tmp_path / "runs/demo/version_0"`."""
    wandb.teardown()  # it reads the environment once
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = [f"--trainer.logger.save_dir={tmp_path / 'runs'}", "--trainer.logger.version=0"]
    return ["fit", *options("demo.yaml", tmp_path), "--config", "wandb.yaml", *folder, *FAST]


def assert_refused(capfd: Capture, words: list[str], *essential: str) -> None:
    capfd.readouterr()
    assert run.main(words) == 2
    said = capfd.readouterr()
    assert_one_line(said.err, *essential)
    assert "W&B" not in said.out


def test_no_package(words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert_refused(capfd, words, "package wandb", "pip install wandb")


def test_a_folder_that_cannot_be_written_to(words: list[str], tmp_path: Path, capfd: Capture) -> None:
    folder = tmp_path / "runs" / "demo" / "version_0"
    folder.mkdir(parents=True)
    (folder / "wandb").write_text("in the way")
    assert_refused(capfd, words, f"{folder / 'wandb'}: cannot be written to", os.strerror(errno.EEXIST))


def test_a_broken_note_of_the_run(words: list[str], tmp_path: Path, capfd: Capture) -> None:
    folder = tmp_path / "runs" / "demo" / "version_0"
    folder.mkdir(parents=True)
    for broken in (
        "",
        "{}",
        "[1]",
        '{"id": "a", "rows": "many"}',
        '{"id": "a/b", "rows": 0}',
        '{"id": "a", "rows": -1}',
    ):
        (folder / STATE).write_text(broken)
        assert_refused(capfd, words, str(folder / STATE), "remove it")


def test_a_mode_that_there_is_not(words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    assert_refused(capfd, words, "WANDB_MODE is 'sometimes', expected online, offline or disabled")


def test_a_name_that_no_project_has(words: list[str], capfd: Capture) -> None:
    assert_refused(capfd, [*words, "--trainer.callbacks.project=a/b"], "project name 'a/b'")


@pytest.mark.parametrize(("option", "essential"), [("projct: a", "project"), ("tags: 3", "tags")])
def test_a_mistake_in_an_overlay(option: str, essential: str, words: list[str], tmp_path: Path, capfd: Capture) -> None:
    path = "lightning_modules.callbacks.wandb_report.WandbReport"
    lines = ["trainer:", "  callbacks+:", f"    - class_path: {path}", f"      init_args: {{{option}}}"]
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    assert_refused(
        capfd, [*words, "--config", str(tmp_path / "mine.yaml")], f"{tmp_path / 'mine.yaml'}, line 4", essential
    )


class _NobodyHere(http.server.BaseHTTPRequestHandler):
    """A server of W&B that does not know who is asked for."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = json.dumps({"data": None, "errors": [{"message": "could not find entity nobody"}]}).encode()
        self.send_response(404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NobodyHere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
        yield
        server.shutdown()


@pytest.mark.usefixtures("server")
def test_an_entity_that_there_is_not(words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    """Who has a key is logged in: W&B is asked, without WANDB_MODE too."""
    monkeypatch.delenv("WANDB_MODE")
    assert_refused(capfd, [*words, "--trainer.callbacks.entity=nobody"], "could not find entity nobody")


@pytest.mark.usefixtures("server")
def test_offline_asks_nobody(words: list[str], capfd: Capture) -> None:
    assert run.main(words) == 0
    assert "W&B: offline; " in capfd.readouterr().out


def test_disabled_leaves_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert run.main(words) == 0
    assert [line for line in capfd.readouterr().out.splitlines() if "W&B" in line] == ["W&B: disabled"]
    assert not list(tmp_path.glob("runs/**/*wandb*"))


def test_a_dry_run_of_lightning_leaves_nothing(words: list[str], tmp_path: Path, capfd: Capture) -> None:
    assert run.main([*words, f"--trainer.default_root_dir={tmp_path}", "--trainer.fast_dev_run=true"]) == 0
    assert "W&B" not in capfd.readouterr().out
    assert not list(tmp_path.glob("**/*wandb*"))
