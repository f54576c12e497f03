import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from errors import InputError
from extraction.weights import blazepose_weights
from extraction.weights.blazepose_weights import MEMBERS, SHA256, Which, blazepose_file
from tests.conftest import REPO

WHEEL = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
NAMES = sorted(Path(member).name for member in MEMBERS.values())


@pytest.fixture(scope="module")
def real() -> dict[Which, bytes]:
    """The real files, from the cache of whoever runs the tests or from the network."""
    try:
        return {which: blazepose_file(which).read_bytes() for which in MEMBERS}
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a pip that finds nothing but the wheels in a folder of the test's own."""
    folder = tmp_path / "cache with spaces"
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("GCN_PSN_CACHE", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def make_wheel(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    info = "mediapipe-0.10.21.dist-info"
    tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-manylinux_2_28_x86_64\n"
    files = contents | {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n",
        f"{info}/WHEEL": tag.encode(),
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(tmp_path / "wheels" / WHEEL, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return tmp_path / "wheels" / WHEEL


def members(real: dict[Which, bytes]) -> dict[str, bytes]:
    return {MEMBERS[which]: content for which, content in real.items()}


def in_cache(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.is_dir() else []


def test_files_are_taken_out_of_the_wheel_once(cache: Path, tmp_path: Path, real: dict[Which, bytes]) -> None:
    extra = {"mediapipe/../../../evil.tflite": b"x", "mediapipe/modules/other.tflite": b"x"}
    wheel = make_wheel(tmp_path, members(real) | extra)
    detector = blazepose_file("detector")
    assert detector.parent == cache
    assert in_cache(cache) == NAMES
    assert not list(tmp_path.rglob("evil*"))
    wheel.unlink()
    for which in MEMBERS:  # from the cache: pip would find nothing now
        assert hashlib.sha256(blazepose_file(which).read_bytes()).hexdigest() == SHA256[which]
        assert blazepose_weights.blazepose_weights(which).sha256 == SHA256[which]


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_file_is_fetched_again(
    cache: Path, tmp_path: Path, real: dict[Which, bytes], damage: bytes | None
) -> None:
    make_wheel(tmp_path, members(real))
    cache.mkdir()
    for which, member in MEMBERS.items():
        whole = real[which]
        flipped = bytes([whole[0] ^ 1]) + whole[1:]
        (cache / Path(member).name).write_bytes(flipped if damage is None else damage)
    assert blazepose_file("landmarks").read_bytes() == real["landmarks"]
    assert (cache / Path(MEMBERS["detector"]).name).read_bytes() == real["detector"]
    assert in_cache(cache) == NAMES


def test_two_processes_at_once(cache: Path, tmp_path: Path, real: dict[Which, bytes]) -> None:
    make_wheel(tmp_path, members(real))
    command = [sys.executable, "-m", "extraction.weights.blazepose_weights"]
    both = [subprocess.Popen(command, cwd=REPO, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    for out, _ in answers:
        assert [line.split("  ") for line in out.splitlines()] == [
            [str(cache / Path(member).name), f"sha256 {SHA256[which]}", "Apache-2.0"]
            for which, member in MEMBERS.items()
        ]
    assert sum("fetching" in err for _, err in answers) == 1
    assert in_cache(cache) == NAMES


def test_without_a_network_it_says_what_to_do(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"python -m extraction\.weights\.blazepose_weights") as caught:
        blazepose_file("detector")
    assert str(cache) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(name in str(caught.value) for name in NAMES)
    assert blazepose_weights.main() == 2
    assert "error: BlazePose's weights are not there" in capsys.readouterr().err
    assert in_cache(cache) == []


def test_other_contents_are_refused(cache: Path, tmp_path: Path) -> None:
    make_wheel(tmp_path, dict.fromkeys(MEMBERS.values(), b"something else"))
    with pytest.raises(InputError, match=r"has the SHA-256 .* instead of"):
        blazepose_file("landmarks")
    make_wheel(tmp_path, {})
    with pytest.raises(InputError, match="no wheel with BlazePose in it"):
        blazepose_file("landmarks")
    make_wheel(tmp_path, {member: bytes(blazepose_weights.MAX_BYTES + 1) for member in MEMBERS.values()})
    with pytest.raises(InputError, match="larger than it can be"):
        blazepose_file("landmarks")
    assert in_cache(cache) == []


def test_without_pip_it_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(InputError, match=r"pip could not be run .* put pose_detection.tflite"):
        blazepose_file("detector")
    assert in_cache(cache) == []


def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(InputError, match="set GCN_PSN_CACHE"):
        blazepose_file("detector")
