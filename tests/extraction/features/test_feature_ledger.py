"""What a feature cache remembers of how its clips were made; see also tests/extraction/test_ledger.py."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from errors import InputError
from extraction.features.feature_ledger import FeatureLedger
from extraction.features.feature_pipeline import ClipFeatures
from extraction.ledger import OtherSettings
from extraction.people.clip_poses import FailedClip
from extraction.reading.media import ClipMedia
from poses.cache.feature_cache import FeatureProvenance, OtherKind, read_feature_provenance, read_features
from poses.cache.keypoint_cache import Provenance, list_clips, write_clip
from tests.extraction.fakes import photograph, write_photograph
from tests.extraction.features.feature_fakes import Means, shades

PROVENANCE = FeatureProvenance("test", "means (random)", "0" * 64, "MIT", json.dumps({"windows": {"length": 8}}))


def made(media: ClipMedia, frames: int = 5) -> ClipFeatures:
    return ClipFeatures(media, frames, np.arange(12, dtype=np.float32).reshape(3, 4))


@pytest.fixture
def media(tmp_path: Path) -> list[ClipMedia]:
    return [photograph(write_photograph(tmp_path / "m" / f"clip {i}.png", shades(1, i)[0])) for i in range(3)]


@pytest.fixture
def ledger(tmp_path: Path) -> FeatureLedger:
    return FeatureLedger(tmp_path / "cache", PROVENANCE)


def fill(ledger: FeatureLedger, media: list[ClipMedia]) -> list[ClipMedia]:
    claimed = []
    for clip in ledger.claim(media):
        ledger.write(made(clip))
        claimed.append(clip)
    return claimed


def test_a_written_clip_is_done_and_says_how_it_was_made(ledger: FeatureLedger, media: list[ClipMedia]) -> None:
    assert [ledger.done(clip) for clip in media] == [False] * 3
    assert fill(ledger, media[:1]) == media[:1]
    assert [ledger.done(clip) for clip in media] == [True, False, False]
    table = read_features(ledger.cache)
    np.testing.assert_array_equal(table.features, made(media[0]).features[None])
    (found,) = table.provenance
    assert found.media is not None
    assert len(found.media) == 64
    assert json.loads(found.settings or "") == {"windows": {"length": 8}, "decided": None}
    assert ledger.record(media[0]) == {
        "clip": "clip 0", "action": "photographs", "status": "done", "frames": 5, "windows": 3,
    }  # fmt: skip
    assert fill(ledger, media) == media[1:]


def test_other_media_are_looked_at_again_and_other_ways_are_refused(
    ledger: FeatureLedger, media: list[ClipMedia]
) -> None:
    fill(ledger, media[:1])
    write_photograph(media[0].files[0], shades(1, 99, (40, 30))[0])
    again = FeatureLedger(ledger.cache, PROVENANCE)
    assert not again.done(media[0])
    fill(again, media[:1])
    assert again.done(media[0])
    for change in (
        {"source": "x"}, {"extractor": "x"}, {"weights_sha256": "1" * 64}, {"settings": json.dumps({"windows": {}})},
    ):  # fmt: skip
        with pytest.raises(OtherSettings, match=next(iter(change))):
            FeatureLedger(ledger.cache, replace(PROVENANCE, **change)).done(media[0])


@pytest.mark.parametrize("damage", [b"", b"PAR1 half", b"\0" * 100])
def test_a_damaged_clip_is_made_again(ledger: FeatureLedger, media: list[ClipMedia], damage: bytes) -> None:
    fill(ledger, media[:1])
    whole = (ledger.cache / "clip 0.parquet").read_bytes()
    (ledger.cache / "clip 0.parquet").write_bytes(damage)
    (ledger.cache / ".clip 0.parquet.123.tmp").write_bytes(b"left by a process that was killed")
    assert not ledger.done(media[0])
    assert fill(ledger, media[:1]) == media[:1]
    assert (ledger.cache / "clip 0.parquet").read_bytes() == whole
    assert not list(ledger.cache.glob(".*.tmp"))


def test_keypoints_are_not_overwritten(ledger: FeatureLedger, media: list[ClipMedia]) -> None:
    write_clip(
        ledger.cache, "clip 0", xy=np.ones((1, 15, 2)), confidence=None, frame=[0], provenance=Provenance("test")
    )
    before = (ledger.cache / "clip 0.parquet").read_bytes()
    with pytest.raises(OtherKind, match="holds keypoints, not features"):
        fill(ledger, media)
    assert list_clips(ledger.cache) == ["clip 0"]
    assert (ledger.cache / "clip 0.parquet").read_bytes() == before


def test_media_that_vanish_on_the_way_are_a_failed_clip(ledger: FeatureLedger, media: list[ClipMedia]) -> None:
    for clip in ledger.claim(media[:1]):
        clip.files[0].unlink()
        ledger.write(made(clip))
    assert "no such file" in (ledger.record(media[0]) or {})["reason"].lower()
    assert list(ledger.claim(media[:1])) == media[:1]  # it was released, and is tried again
    ledger.fail(FailedClip(media[0], "broken"))
    assert (ledger.record(media[0]) or {})["reason"] == "broken"
    assert read_feature_provenance(ledger.cache, "clip 0") is None


def test_nobody_claims_what_somebody_works_on(ledger: FeatureLedger, media: list[ClipMedia]) -> None:
    other = FeatureLedger(ledger.cache, PROVENANCE)
    first = ledger.claim(media)
    assert next(first) == media[0]
    assert next(other.claim(media)) == media[1]
    ledger.write(made(media[0]))
    assert list(other.claim(media[:1])) == []  # done by now
    assert next(first) == media[2]


def test_what_an_extractor_chose_is_kept_for_the_next_run(ledger: FeatureLedger, media: list[ClipMedia]) -> None:
    first, second = Means(), Means()
    windows = np.zeros((2, 8, 8, 8, 3), np.uint8)
    ledger.choose(first, windows)
    fill(ledger, media[:1])
    FeatureLedger(ledger.cache, PROVENANCE).choose(second, windows)
    assert (first.decided, second.decided) == ([None], ["exact"])
    (found,) = read_features(ledger.cache).provenance
    assert json.loads(found.settings or "")["decided"] == "exact"
    assert FeatureLedger(ledger.cache, PROVENANCE).done(media[0])


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        FeatureLedger(tmp_path / "file" / "cache", PROVENANCE)
