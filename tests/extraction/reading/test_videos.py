import math
import os
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from errors import InputError
from extraction.reading.videos import read_video
from extraction.types import Frame, Image
from tests.conftest import shared_data
from tests.extraction.media_files import (
    COLOURS,
    corners,
    cut,
    number_of,
    numbered_images,
    quarters,
    write_sound,
    write_video,
)

KINDS = [
    (".mp4", "libx264"), (".mov", "libx264"), (".mkv", "libx264"), (".webm", "libvpx"), (".ts", "libx264"),
    (".avi", "mpeg4"), (".avi", "mjpeg"), (".mpg", "mpeg2video"), (".flv", "flv"), (".wmv", "wmv2"), (".gif", "gif"),
]  # fmt: skip


def noise(count: int) -> list[Image]:
    """Frames that do not compress well, so that every frame has its share of the file's bytes."""
    return list(np.random.default_rng(0).integers(0, 256, (count, 48, 64, 3), np.uint8))


def broken(path: Path) -> tuple[int, str]:
    """How many frames came before the error, and what it says."""
    count = 0
    with pytest.raises(InputError) as caught:  # noqa: PT012  (frames are counted until it breaks)
        for _ in read_video(path):
            count += 1
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert ";" in message  # what to do
    return count, message


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_every_frame_comes_once_and_in_order(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_video(tmp_path / f"a{suffix}", numbered_images(60), codec)
    frames = list(read_video(path))
    assert [frame.number for frame in frames] == list(range(60))
    assert [number_of(frame.image) for frame in frames] == list(range(60))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(60) / 25, atol=0.001)
    image = frames[0].image
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_varying_rate_keeps_its_times(tmp_path: Path, suffix: str) -> None:
    times = [0.0, 0.04, 0.2, 0.21, 1.0, 1.5, 1.51, 3.0]
    path = write_video(tmp_path / f"a{suffix}", numbered_images(8), "libx264", times=times)
    frames = list(read_video(path))
    assert [number_of(frame.image) for frame in frames] == list(range(8))
    np.testing.assert_allclose([frame.time for frame in frames], times, atol=0.0011)


def test_without_time_stamps_times_are_unknown(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mpg", numbered_images(4), "mpeg2video")
    raw = tmp_path / "raw.mpg"
    with av.open(str(path)) as source, raw.open("wb") as file:  # the stream without its container
        for packet in source.demux(video=0):
            file.write(bytes(packet))
    frames = list(read_video(raw))
    assert len(frames) == 4
    known = [frame.time for frame in frames if not math.isnan(frame.time)]
    assert known == sorted(known)


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_the_display_matrix_is_applied(tmp_path: Path, degrees: int) -> None:
    path = write_video(tmp_path / "a.mp4", [quarters()] * 3, "libx264", rotation=degrees)
    for frame in read_video(path):
        assert np.abs(corners(frame.image).astype(int) - np.rot90(COLOURS, degrees // 90)).max() < 40
        assert frame.image.shape == ((48, 64, 3) if degrees in (0, 180) else (64, 48, 3))
        assert frame.image.flags.c_contiguous


def test_mirrored_videos_are_mirrored_back(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [quarters()] * 3, "libx264", mirrored=True)
    with av.open(str(path)) as container:
        matrix = np.frombuffer(bytes(next(iter(next(container.decode(video=0)).side_data))), np.int32)  # type: ignore[arg-type]
    assert matrix[0] < 0 < matrix[4]
    for frame in read_video(path):
        assert np.abs(corners(frame.image).astype(int) - COLOURS[:, ::-1]).max() < 40


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(("suffix", "codec"), [kind for kind in KINDS if kind[0] in (".mp4", ".mkv", ".webm", ".avi")])
def test_a_missing_end_is_found(tmp_path: Path, suffix: str, codec: str, share: float) -> None:
    path = write_video(tmp_path / f"a{suffix}", noise(40), codec)
    assert len(list(read_video(path))) == 40
    count, message = broken(cut(path, share))
    assert "cut off" in message
    assert count < 40
    assert f"after {count} frames" in message or count == 0


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("flags", ["faststart", "frag_keyframe+empty_moov"])
def test_a_missing_end_is_found_where_the_index_comes_first(tmp_path: Path, flags: str, share: float) -> None:
    path = write_video(tmp_path / "a.mp4", noise(40), "libx264", movflags=flags)
    assert len(list(read_video(path))) == 40
    assert "cut off" in broken(cut(path, share))[1]


def test_a_live_recording_that_says_no_size_is_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered_images(30), "libx264", live="1")
    assert len(list(read_video(path))) == 30


def test_damage_in_the_middle_is_found_or_read_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", noise(40), "mjpeg")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 5] = bytes(len(content) // 5)
    path.write_bytes(content)
    try:
        count = len(list(read_video(path)))
    except InputError as error:
        assert "damaged" in str(error)  # noqa: PT017  (either is right, a traceback is not)
    else:
        assert count > 0


def test_real_videos_are_whole(tmp_path: Path) -> None:
    folder = shared_data("people")
    for name, count, size in (("park.mp4", 230, (994, 1768)), ("street.mp4", 5, (540, 960))):
        frames = 0
        for frame in read_video(folder / name):
            assert frame.image.shape == (*size, 3)
            frames += 1
        assert frames == count
    (tmp_path / "park.mp4").write_bytes((folder / "park.mp4").read_bytes()[:3_000_000])
    assert "cut off" in broken(tmp_path / "park.mp4")[1]


def test_sound_beside_the_pictures_does_not_matter(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_images(5), "libx264", sound=True)
    assert len(list(read_video(path))) == 5


def test_no_pictures(tmp_path: Path) -> None:
    assert "holds only sound" in broken(write_sound(tmp_path / "a.mp4"))[1]
    with av.open(str(tmp_path / "cover.mp4"), "w") as container:
        container.add_stream("libx264", rate=25)
    assert broken(tmp_path / "cover.mp4")[0] == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty (0 bytes)"),
        (b"no video at all", "is no video that can be read"),
        (b"#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n", "is no video that can be read"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "is no video that can be read"),
        (b"\x1aE\xdf\xa3" + bytes(50), "cut off"),
        (b"RIFF\0\0\0\0AVI ", "cut off"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    write_video(tmp_path / "other.mp4", numbered_images(3))
    (tmp_path / "a.mp4").write_bytes(content)
    assert says in broken(tmp_path / "a.mp4")[1]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in broken(tmp_path / "nowhere.mp4")[1]
    assert "is a folder" in broken(tmp_path)[1]
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "is no ordinary file" in broken(tmp_path / "pipe.mp4")[1]


@pytest.mark.parametrize("name", ["with space ü.mp4", "http:a.mp4", "a:b|c.mp4", "%03d.mp4", "-i.mp4"])
def test_names_are_only_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", numbered_images(3)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(read_video(Path(name)))) == 3
    assert len(list(read_video(tmp_path / name))) == 3


def test_frames_of_different_sizes_are_refused(tmp_path: Path) -> None:
    """Two H.264 streams, one after the other, are one stream whose frames change size."""
    raw = b""
    for size in ((48, 64), (96, 128)):
        path = write_video(tmp_path / "part.ts", numbered_images(20, *size), "libx264")
        raw += path.read_bytes()
    (tmp_path / "a.ts").write_bytes(raw)
    assert "frame 20 has 128 x 96 pixels, those before have 64 x 48" in broken(tmp_path / "a.ts")[1]


def test_sound_that_begins_late_does_not_matter(tmp_path: Path) -> None:
    """FFmpeg looks for streams in the first 5 MB; PyAV may raise at the end if one comes later."""
    silent = write_video(tmp_path / "silent.ts", numbered_images(20), "libx264").read_bytes()
    sound = write_video(tmp_path / "sound.ts", numbered_images(20), "libx264", sound=True).read_bytes()
    nothing = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 40_000
    (tmp_path / "a.ts").write_bytes(silent + nothing + sound)
    frames = [number_of(frame.image) for frame in read_video(tmp_path / "a.ts")]
    assert frames == list(range(20)) * 2


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def most(count: int) -> int:
        path = write_video(tmp_path / f"{count}.avi", numbered_images(20, 240, 320) * (count // 20), "mjpeg")
        tracemalloc.start()
        last: Frame | None = None
        for frame in read_video(path):
            last = frame
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert last is not None
        return peak

    assert most(200) < most(20) + 240 * 320 * 3 * 2


def test_a_reader_that_is_left_early_closes_its_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_images(30), "libx264")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        reader = read_video(path)
        next(reader)
        reader.close()  # type: ignore[attr-defined]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
