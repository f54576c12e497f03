import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from errors import InputError
from extraction.reading.frames import fingerprint, read_frames
from extraction.reading.media import ClipMedia
from tests.extraction.media_files import cut, number_of, numbered_images, write_photograph, write_video


def folder_clip(root: Path, numbers: list[int]) -> ClipMedia:
    """A clip of images in `root`, frame n showing its number."""
    images = numbered_images(max(numbers) + 1)
    files = [write_photograph(root / f"{n:03d}.png", Pillow.fromarray(images[n])) for n in numbers]
    return ClipMedia("clip", "action", tuple(files), tuple(numbers), 1, root)


def video_clip(path: Path, root: Path | None = None) -> ClipMedia:
    return ClipMedia("clip", "action", (path,), None, 1, root or path.parent)


def complaint(media: ClipMedia) -> str:
    with pytest.raises(InputError) as caught:
        list(read_frames(media))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_keep_the_numbers_of_the_clip(tmp_path: Path) -> None:
    frames = list(read_frames(folder_clip(tmp_path, [3, 4, 7, 20])))
    assert [frame.number for frame in frames] == [3, 4, 7, 20]
    assert [number_of(frame.image) for frame in frames] == [3, 4, 7, 20]
    assert all(math.isnan(frame.time) for frame in frames)


def test_a_video_is_numbered_from_0(tmp_path: Path) -> None:
    frames = list(read_frames(video_clip(write_video(tmp_path / "a.mp4", numbered_images(9)))))
    assert [(frame.number, number_of(frame.image)) for frame in frames] == [(i, i) for i in range(9)]
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(9) / 25)


def test_one_image_at_a_time_is_read(tmp_path: Path) -> None:
    clip = folder_clip(tmp_path, [0, 1, 2])
    reader = read_frames(clip)
    next(reader)
    clip.files[2].unlink()
    next(reader)
    with pytest.raises(InputError, match=r"002\.png: no such file"):
        next(reader)


def test_images_of_different_sizes_are_named(tmp_path: Path) -> None:
    clip = folder_clip(tmp_path, [0, 1, 2])
    write_photograph(clip.files[1], Pillow.new("RGB", (30, 40)))
    said = complaint(clip)
    assert str(clip.files[1]) in said
    assert str(clip.files[0]) in said
    assert "30 x 40" in said
    assert "64 x 48" in said


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    clip = folder_clip(tmp_path, [0, 1, 2])
    cut(clip.files[1], 0.5, clip.files[1].name)
    assert f"{clip.files[1]}: the image is cut off or damaged" in complaint(clip)


def test_links_that_leave_the_folder_are_refused(tmp_path: Path) -> None:
    outside = write_video(tmp_path / "outside" / "a.mp4", numbered_images(3))
    root = tmp_path / "root"
    root.mkdir()
    (root / "file.mp4").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent)
    (root / "again.mp4").symlink_to(root / "file.mp4")
    for path in (root / "file.mp4", root / "folder" / "a.mp4", root / "again.mp4", root / ".." / "outside" / "a.mp4"):
        assert "a symbolic link that leaves the folder" in complaint(video_clip(path, root))
        with pytest.raises(InputError, match="copy the file itself"):
            fingerprint(video_clip(path, root))


def test_links_inside_the_folder_and_to_it_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = write_video(tmp_path / "root" / "a.mp4", numbered_images(3))
    (tmp_path / "root" / "link.mp4").symlink_to(real)
    (tmp_path / "linked").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    monkeypatch.chdir(tmp_path / "root")
    for root in (tmp_path / "root", tmp_path / "linked", Path(), Path("../linked"), tmp_path / "root" / "loop"):
        assert len(list(read_frames(video_clip(root / "link.mp4", root)))) == 3


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.symlink_to(path)
    assert str(path) in complaint(video_clip(path))
    with pytest.raises(InputError):
        fingerprint(video_clip(path))


def test_the_fingerprint_sees_names_sizes_and_first_bytes(tmp_path: Path) -> None:
    clip = folder_clip(tmp_path, [0, 1, 2])
    first = fingerprint(clip)
    assert len(first) == 64
    assert set(first) <= set("0123456789abcdef")
    assert fingerprint(clip) == first
    clip.files[1].write_bytes(clip.files[1].read_bytes() + b"x")
    longer = fingerprint(clip)
    assert longer != first
    content = bytearray(clip.files[0].read_bytes())
    content[-1] ^= 1
    clip.files[0].write_bytes(content)
    assert fingerprint(clip) not in (first, longer)
    fewer = ClipMedia("clip", "action", clip.files[:2], (0, 1), 1, tmp_path)
    assert fingerprint(fewer) != fingerprint(clip)


def test_the_fingerprint_does_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    here, there = (folder_clip(tmp_path / name, [0, 1]) for name in ("here", "there"))
    assert fingerprint(here) == fingerprint(there)


def test_the_fingerprint_of_what_is_gone(tmp_path: Path) -> None:
    clip = folder_clip(tmp_path, [0, 1])
    clip.files[1].unlink()
    with pytest.raises(InputError, match=r"001\.png: cannot be read"):
        fingerprint(clip)


def test_a_pipe_does_not_keep_the_fingerprint_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="is no ordinary file"):
        fingerprint(video_clip(tmp_path / "a.mp4"))
