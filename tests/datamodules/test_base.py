import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.base import PoseDataModule
from datamodules.labels import ClipLabel
from errors import InputError
from poses.cache.keypoint_cache import Provenance, write_clip


class Dataset(PoseDataModule):
    how_to_get = "Ask for it."

    def __init__(self, cache: Path, labels: Sequence[ClipLabel], **kwargs: Any) -> None:
        super().__init__(cache=str(cache), frames_per_clip=4, **kwargs)
        self._labels = labels

    def labels(self) -> Sequence[ClipLabel]:
        return self._labels


def label(name: str, score: float = 1.0, **more: object) -> ClipLabel:
    return ClipLabel(**{"clip_id": name, "action": "a", "score": score, "part": "train", **more})  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(12):
        persons = 2 if number == 3 else 1
        write_clip(
            tmp_path / "cache",
            f"c{number}",
            xy=rng.uniform(0, 9, (6 * persons, 15, 2)),
            confidence=None,
            frame=np.tile(np.arange(6), persons),
            person=np.repeat(np.arange(persons), 6),
            provenance=Provenance("test"),
        )
    return tmp_path / "cache"


def labels(**special: ClipLabel) -> list[ClipLabel]:
    made = {f"c{i}": label(f"c{i}", float(i), part="test" if i > 9 else "train") for i in range(12)}
    return list((made | special).values())


def test_parts_and_exemplars(cache: Path) -> None:
    data = Dataset(cache, labels())
    data.setup("fit")
    train, val = data.val_dataloader()
    names = [[data.clips[i].clip_id for i in next(iter(loader)).clip.unique()] for loader in (train, val)]
    assert len(names[1]) == 2
    assert sorted(names[0] + names[1]) == sorted(f"c{i}" for i in range(10))
    data.setup("test")
    exemplars, queries = (next(iter(loader)) for loader in data.test_dataloader())
    assert len(exemplars.clip) == 11  # ten training clips, val among them, one with two performers
    assert [data.clips[i].clip_id for i in queries.clip] == ["c10", "c11"]
    assert queries.score.tolist() == [10.0, 11.0]
    assert queries.content.shape == (2, 4, 15, 2)
    data.setup("predict")  # nothing is unlabelled: the test part
    assert len(data.predict_dataloader()[1].chosen) == 2


def test_training_pairs_never_touch_val_or_test(cache: Path) -> None:
    data = Dataset(cache, labels())
    data.setup("test")
    tracks = data.poses.tracks
    held = {data.clips[i].clip_id for i in range(len(data.clips)) if data.part[i] != "train"}
    frames = zip(tracks.clip, tracks.start, tracks.start[1:], strict=False)
    forbidden = np.concatenate(
        [tracks.poses[tracks.rows[begin:end]] for clip, begin, end in frames if data.clips[clip].clip_id in held]
    )
    used = np.concatenate([batch["poses"].flatten(0, 1).numpy() for batch in data.pair_loader()])
    assert not {pose.tobytes() for pose in used} & {pose.tobytes() for pose in forbidden}


def test_unlabelled_clips_are_predicted(cache: Path) -> None:
    data = Dataset(cache, labels(c11=label("c11", math.nan, part="predict")))
    data.setup("predict")
    assert [data.clips[i].clip_id for i in next(iter(data.predict_dataloader()[1])).clip] == ["c11"]


@pytest.mark.parametrize(
    ("special", "message"),
    [
        ({"c0": label("c0", math.nan)}, r"clip 'c0' of the train part has the score nan"),
        ({"c0": label("c0", math.inf)}, r"has the score inf"),
        ({"c0": label("c1")}, r"clip 'c1' is labelled twice"),
        ({"c99": label("c99")}, r"no keypoints of 'c99' that the labels name.*Ask for it"),
        ({f"c{i}": label(f"c{i}", 5.0) for i in range(10)}, r"training clips have the score 5.0"),
        ({f"c{i}": label(f"c{i}", float(i), group="g") for i in range(10)}, r"belong to group 'g'"),
        ({"c0": label("c0", 0.0, phases=(4, 2))}, r"clip 'c0': phases begin at frames"),
    ],
)
def test_labels_that_do_not_fit(cache: Path, special: dict[str, ClipLabel], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Dataset(cache, labels(**special)).setup("fit")


def test_clips_that_no_label_names(cache: Path) -> None:
    with pytest.raises(InputError, match=r"holds 'c0' that no label names"):
        Dataset(cache, labels()[1:]).setup("fit")


def test_no_cache(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no keypoint cache there\. Ask for it\."):
        Dataset(tmp_path / "none", labels()).setup("fit")


def test_no_test_part(cache: Path) -> None:
    train = [label(f"c{i}", float(i)) for i in range(12)]
    with pytest.raises(InputError, match="no clip of the test part"):
        Dataset(cache, train).setup("test")


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"val_share": 0}, {"val_share": 2}])
def test_wrong_options(cache: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        Dataset(cache, labels(), **wrong).setup("fit")


def test_a_dataset_that_comes_with_its_keypoints_has_no_media(cache: Path) -> None:
    data = Dataset(cache, labels())
    assert data.rejected == []
    with pytest.raises(InputError, match="Dataset has no photographs or videos; its keypoints come with it"):
        data.media()
