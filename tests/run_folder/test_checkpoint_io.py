import os
import pickle
from pathlib import Path

import pytest
import torch

from errors import InputError
from run_folder.checkpoint_io import load_checkpoint, write_checkpoint
from run_folder.folder import SafeCheckpointIO

GOOD = {"state_dict": {"w": torch.ones(2)}, "global_step": 3, "config": "seed_everything: 0\n"}


def test_round_trip_leaves_only_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.ckpt"
    write_checkpoint(GOOD, path)
    assert list(path.parent.iterdir()) == [path]
    loaded = load_checkpoint(path)
    assert loaded["global_step"] == 3
    assert torch.equal(loaded["state_dict"]["w"], torch.ones(2))


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("weights_only", [True, False, None])
def test_a_hostile_checkpoint_is_refused_and_runs_nothing(tmp_path: Path, weights_only: bool | None) -> None:
    path, marker = tmp_path / "a.ckpt", tmp_path / "ran"
    torch.save({**GOOD, "extra": Hostile(marker)}, path)
    with pytest.raises(InputError, match="refused"):
        SafeCheckpointIO().load_checkpoint(path, weights_only=weights_only)
    path.write_bytes(pickle.dumps(Hostile(marker)))
    with pytest.raises(InputError, match=r"refused|broken"):
        load_checkpoint(path)
    assert not marker.exists()


def test_broken_files_are_told_apart_from_missing_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "a.ckpt")
    path = tmp_path / "b.ckpt"
    torch.save(GOOD, path)
    whole = path.read_bytes()
    parts = (whole[:200], whole[: len(whole) // 2], whole[:-10])
    for content in (b"", b"garbage", b"root:x:0:0:root:/root:/bin/bash\n", bytes(range(256)), *parts):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"b\.ckpt"):
            load_checkpoint(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(tmp_path)
    torch.save({"weights": 1}, path)
    with pytest.raises(InputError, match="not a checkpoint of a training run"):
        load_checkpoint(path)
