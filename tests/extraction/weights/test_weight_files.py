"""Weights files are data, and are what they should be."""

import hashlib
import http.server
import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from errors import InputError
from extraction.weights.weight_files import fetched, load_state_dict, sha256_of

TENSORS = {"a.weight": torch.ones(3), "b.bias": torch.zeros(2)}


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hostile",)


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def test_tensors_come_out_of_a_state_dict_or_are_one(tmp_path: Path) -> None:
    for content in (TENSORS, {"state_dict": TENSORS, "meta": {"epoch": 210}}):
        found = load_state_dict(saved(tmp_path / "weights.pth", content))
        assert found.keys() == TENSORS.keys()
        assert torch.equal(found["a.weight"], TENSORS["a.weight"])


def test_arrays_may_stand_beside_them(tmp_path: Path) -> None:
    meta = {"sigmas": np.ones(17, np.float32), "colors": np.zeros((2, 3), np.uint8), "epoch": np.int64(3)}
    assert load_state_dict(saved(tmp_path / "weights.pth", {"state_dict": TENSORS, "meta": meta}))


@pytest.mark.parametrize("old", [True, False])
def test_a_file_that_wants_code_to_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": TENSORS, "meta": Hostile()}, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(InputError, match="refused") as error:
        load_state_dict(path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "hostile").exists()


def cut(path: Path) -> Path:
    content = saved(path, TENSORS).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (cut, "broken or no checkpoint"),
        (lambda path: written(path, b""), "broken or no checkpoint"),
        (lambda path: written(path, b"\xff\xd8 a photograph"), "no checkpoint"),
        (lambda path: written(path, pickle.dumps([1, 2])), "no checkpoint|no named tensors"),
        (lambda path: saved(path, [1, 2]), "no named tensors"),
        (lambda path: saved(path, {}), "no named tensors"),
        (lambda path: saved(path, {"state_dict": {"a": 1}}), "no named tensors"),
        (lambda path: saved(path, {"state_dict": {3: torch.ones(1)}}), "no named tensors"),
        (lambda path: path, "No such file"),
        (lambda path: path.parent, "directory"),
    ],
)
def test_wrong_files_get_one_line(tmp_path: Path, make: Any, reason: str) -> None:
    path = make(tmp_path / "weights.pth")
    with pytest.raises(InputError, match=reason) as error:
        load_state_dict(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "weights.pth", b"weights" * 1000)
    assert sha256_of(path) == hashlib.sha256(b"weights" * 1000).hexdigest()
    with pytest.raises(InputError, match="cannot be read"):
        sha256_of(tmp_path / "absent.pth")


CONTENT = b"the weights"
PREFIX = hashlib.sha256(CONTENT).hexdigest()[:8]


class Server(http.server.BaseHTTPRequestHandler):
    """Has one file; of a second only the beginning comes."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/absent.pth":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:5] if self.path == "/cut.pth" else CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Server.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once(tmp_path: Path, address: str) -> None:
    folder = tmp_path / "cache" / "mmpose"
    for _ in range(2):
        path = fetched(f"{address}/weights.pth", PREFIX, folder, "do without")
        assert path == folder / "weights.pth"
        assert path.read_bytes() == CONTENT
    assert Server.asked == ["/weights.pth"]
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "prefix", "reason"),
    [
        ("weights.pth", "00000000", "not the file that was published"),
        ("cut.pth", PREFIX, "not the file that was published"),
        ("absent.pth", PREFIX, "Not Found"),
    ],
)
def test_what_cannot_be_had_is_said_and_nothing_is_left(
    tmp_path: Path, address: str, name: str, prefix: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as error:
        fetched(f"{address}/{name}", prefix, tmp_path, "do without")
    assert str(error.value).endswith("; do without")
    assert not list(tmp_path.iterdir())


def test_without_a_network_one_line_names_the_alternatives(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be downloaded") as error:
        fetched("http://127.0.0.1:9/weights.pth", PREFIX, tmp_path, "give a local file")
    assert str(error.value).endswith("; give a local file")
    assert "\n" not in str(error.value)


def test_a_damaged_file_in_the_cache_is_not_used(tmp_path: Path) -> None:
    written(tmp_path / "weights.pth", b"something else")
    with pytest.raises(InputError, match="delete it"):
        fetched("http://127.0.0.1:9/weights.pth", PREFIX, tmp_path, "")
