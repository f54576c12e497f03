"""On timed sports the length of a clip is its score: nothing of it may reach a prediction."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import run
from tests.conftest import shared_data
from tests.data.speed21.make import make
from tests.datasets import FAST


def repeat_every_frame(root: Path, to: Path, times: int) -> None:
    """The same dataset at several times the frame rate: each line of each skeleton file again and again."""
    (to / "skeletons").mkdir(parents=True)
    (to / "metadata.txt").write_bytes((root / "metadata.txt").read_bytes())
    for path in (root / "skeletons").iterdir():
        poses = [line.partition("#") for line in path.read_text().splitlines() if line]
        begin = int(poses[0][0])
        repeated = [pose for _, _, pose in poses for _ in range(times)]
        lines = [f"{begin + i}#{pose}" for i, pose in enumerate(repeated)]
        (to / "skeletons" / path.name).write_text("\n".join(lines) + "\n")


def predictions(root: Path, folder: Path) -> dict[str, list[object]]:
    words = ["--config", "speed21.yaml", f"--data.root={root}", f"--data.cache={folder / 'cache'}", *FAST]
    words.append(f"--trainer.logger.folder={folder / 'run'}")
    assert run.main(["fit", *words]) == 0
    assert run.main(["test", *words, f"--ckpt_path={folder / 'run' / 'checkpoints' / 'best.ckpt'}"]) == 0
    columns: dict[str, list[object]] = pq.read_table(folder / "run" / "test" / "predictions.parquet").to_pydict()
    return columns


@pytest.mark.parametrize("real", [False, True])
def test_repeating_every_frame_changes_no_prediction(real: bool, tmp_path: Path) -> None:
    root = shared_data("speed21") if real else make(tmp_path / "made")
    repeat_every_frame(root, tmp_path / "twice", 2)
    once = predictions(root, tmp_path / "a")
    assert once == predictions(tmp_path / "twice", tmp_path / "b")
    assert len(set(once["ridge"])) > 1
