import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from errors import InputError
from extraction.ledger import Ledger, OtherSettings
from extraction.people.clip_poses import ClipPoses, FailedClip
from extraction.reading.media import ClipMedia
from poses.cache.keypoint_cache import Provenance, read_clip, read_provenance
from tests.extraction.fakes import BarEstimator, photograph, picture, write_photograph

PROVENANCE = Provenance("test", "d", "e", "0" * 64, settings=json.dumps({"turn_below": 0}))


def poses(media: ClipMedia, people: int = 2, frames: int = 3) -> ClipPoses:
    generator = np.random.default_rng(0)
    shape = (people, frames)
    xy = generator.uniform(0, 100, (*shape, 15, 2)).astype(np.float32)
    xy[0, 1] = np.nan
    xy[:, 2] = np.nan
    confidence = np.full((*shape, 15), 0.5, np.float32)
    interpolated = np.zeros(shape, np.bool_)
    interpolated[1, 1] = True
    return ClipPoses(
        media, (160, 120), np.arange(5, 5 + frames, dtype=np.int32), np.arange(frames) / 25, xy, confidence,
        np.zeros((*shape, 4), np.float32), interpolated, 4, 7, 1, np.full((20, 30, 3), 200, np.uint8),
    )  # fmt: skip


@pytest.fixture
def media(tmp_path: Path) -> list[ClipMedia]:
    return [photograph(write_photograph(tmp_path / "m" / f"clip {i}.png", picture())) for i in range(3)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "cache", PROVENANCE)


def test_a_written_clip_is_done_and_says_how_it_was_made(ledger: Ledger, media: list[ClipMedia]) -> None:
    assert [ledger.done(clip) for clip in media] == [False] * 3
    (claimed,) = ledger.claim(media[:1])
    ledger.write(poses(claimed))
    assert [ledger.done(clip) for clip in media] == [True, False, False]
    table = read_clip(ledger.cache, "clip 0")
    np.testing.assert_array_equal(table.xy, poses(claimed).xy.reshape(6, 15, 2))
    assert table.track_person.tolist() == [0, 1]
    assert table.frame.tolist() == [5, 6, 7, 5, 6, 7]
    assert table.interpolated.tolist() == [False, False, False, False, True, False]
    found = read_provenance(ledger.cache, "clip 0")
    assert found is not None
    assert found.media is not None
    assert len(found.media) == 64
    assert ledger.record(media[0]) == {
        "clip": "clip 0", "action": "photographs", "status": "done", "frames": 3, "people": 2, "dropped": 4,
        "frames_without_person": 1, "frames_interpolated": 1, "mean_confidence": 0.5, "looks": 7, "turned": 1,
    }  # fmt: skip
    assert ledger.picture(media[0]).stat().st_size > 100
    assert list(ledger.claim(media[:1])) == []


def test_other_media_are_extracted_again_and_other_settings_are_refused(ledger: Ledger, media: list[ClipMedia]) -> None:
    for clip in ledger.claim(media[:1]):
        ledger.write(poses(clip))
    write_photograph(media[0].files[0], picture((1, 2, 30, 40)))
    again = Ledger(ledger.cache, PROVENANCE)
    assert not again.done(media[0])
    for clip in again.claim(media[:1]):
        again.write(poses(clip))
    assert again.done(media[0])
    for change in ({"weights_sha256": "1" * 64}, {"settings": json.dumps({"turn_below": 0.5})}, {"detector": "x"}):
        with pytest.raises(OtherSettings, match=next(iter(change))):
            Ledger(ledger.cache, replace(PROVENANCE, **change)).done(media[0])


@pytest.mark.parametrize("damage", [b"", b"PAR1 half", b"\0" * 100])
def test_a_damaged_clip_is_made_again(ledger: Ledger, media: list[ClipMedia], damage: bytes) -> None:
    for clip in ledger.claim(media[:1]):
        ledger.write(poses(clip))
    (ledger.cache / "clip 0.parquet").write_bytes(damage)
    assert not ledger.done(media[0])


def test_a_failed_clip_is_recorded_and_tried_again(ledger: Ledger, media: list[ClipMedia]) -> None:
    for clip in ledger.claim(media[:1]):
        ledger.fail(FailedClip(clip, "nobody there"))
    assert not ledger.done(media[0])
    assert (ledger.record(media[0]) or {})["reason"] == "nobody there"
    (clip,) = ledger.claim(media[:1])
    assert ledger.record(clip) is None  # while it is tried again


def test_media_that_vanish_on_the_way_or_later_are_a_failed_clip(ledger: Ledger, media: list[ClipMedia]) -> None:
    (first, second) = ledger.claim(media[:2])
    ledger.write(poses(first))
    for clip in (first, second):
        clip.files[0].unlink()
    ledger.write(poses(second))
    assert "no such file" in (ledger.record(second) or {})["reason"].lower()
    again = Ledger(ledger.cache, PROVENANCE)
    assert [again.done(clip) for clip in (first, second)] == [False, False]
    assert list(again.claim([second])) == [second]  # it was released


def test_nobody_claims_what_somebody_works_on(ledger: Ledger, media: list[ClipMedia]) -> None:
    other = Ledger(ledger.cache, PROVENANCE)
    first = ledger.claim(media)
    assert next(first) == media[0]
    assert next(other.claim(media)) == media[1]
    ledger.write(poses(media[0]))
    assert list(other.claim(media[:1])) == []  # done by now
    assert next(first) == media[2]
    ledger.fail(FailedClip(media[2], "broken"))
    assert list(other.claim(media[2:])) == [media[2]]


def _claim_and_die(cache: Path, media: ClipMedia) -> None:
    list(Ledger(cache, PROVENANCE).claim([media]))
    (cache / f".{media.clip_id}.parquet.abc.tmp").write_bytes(b"half a clip")
    import os

    os._exit(9)


def test_a_dead_process_holds_nothing_and_its_leavings_go(ledger: Ledger, media: list[ClipMedia]) -> None:
    process = multiprocessing.get_context("fork").Process(target=_claim_and_die, args=(ledger.cache, media[0]))
    process.start()
    process.join()
    assert process.exitcode == 9
    (other,) = {path.name for path in ledger.cache.glob(".*.tmp")}
    assert other == ".clip 0.parquet.abc.tmp"
    assert list(ledger.claim(media[:1])) == [media[0]]
    assert not list(ledger.cache.glob(".*.tmp"))


def test_what_an_estimator_chose_is_kept_for_the_next_run(ledger: Ledger, media: list[ClipMedia]) -> None:
    first, second = BarEstimator(), BarEstimator()
    pixels = np.zeros((2, 16, 16, 3), np.uint8)
    ledger.choose(first, pixels)
    for clip in ledger.claim(media[:1]):
        ledger.write(poses(clip))
    Ledger(ledger.cache, PROVENANCE).choose(second, pixels)
    assert (first.decided, second.decided) == ([None], ["exact"])
    found = read_provenance(ledger.cache, "clip 0")
    assert found is not None
    assert json.loads(found.settings or "") == {"turn_below": 0, "decided": "exact"}
    assert Ledger(ledger.cache, PROVENANCE).done(media[0])


def test_a_cache_that_cannot_be_made_or_written(tmp_path: Path, media: list[ClipMedia]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        Ledger(tmp_path / "file" / "cache", PROVENANCE)
    ledger = Ledger(tmp_path / "cache", PROVENANCE)
    for clip in ledger.claim(media[:1]):
        ledger.picture(clip).mkdir()  # no file can take its place
        with pytest.raises(InputError, match=r"cannot be written .*; check that"):
            ledger.write(poses(clip))
