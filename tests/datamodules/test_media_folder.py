import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.config_files import CONFIGS
from datamodules.media_folder import MediaFolder
from errors import InputError
from extraction.reading.media import ClipMedia, MediaSource


def touch(root: Path, *names: str) -> None:
    """Files are not opened by `media()`, so they may be empty."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def clips(root: Path, **options: Any) -> dict[str, ClipMedia]:
    source = MediaFolder(str(root), str(root.parent / "cache"), **options)
    found = {clip.clip_id: clip for clip in source.media()}
    assert not source.rejected
    return found


def test_it_is_a_source_as_its_config_says(tmp_path: Path) -> None:
    source: MediaSource = MediaFolder(str(tmp_path), str(tmp_path / "cache"))
    assert source.cache == tmp_path / "cache"
    config = yaml.safe_load((CONFIGS / "media_folder.yaml").read_text())
    assert config["data"]["class_path"] == f"{MediaFolder.__module__}.MediaFolder"
    assert MediaFolder(**config["data"]["init_args"]).root == Path("data/mine/media")


def test_videos_are_clips_and_images_photographs(tmp_path: Path) -> None:
    touch(tmp_path / "mine", "vault.MP4", "anna/first try.avi", "anna/b/portrait ü.JPG", "notes.txt", "scores.csv")
    found = clips(tmp_path / "mine", performers=2)
    assert sorted(found) == ["anna_b_portrait ü", "anna_first try", "vault"]
    video, photograph = found["anna_first try"], found["anna_b_portrait ü"]
    assert (video.frames, video.performers, video.action) == (None, 2, "anna")
    assert (photograph.frames, photograph.performers, photograph.action) == ((0,), None, "anna")
    assert found["vault"].action == "mine"
    assert video.files == (tmp_path / "mine" / "anna" / "first try.avi",)
    assert all(clip.root == tmp_path / "mine" for clip in found.values())


def test_images_with_consecutive_numbers_are_a_clip(tmp_path: Path) -> None:
    touch(tmp_path / "mine", *(f"jump/shot_{i}.jpg" for i in range(8, 13)))
    (clip,) = clips(tmp_path / "mine").values()
    assert (clip.clip_id, clip.action, clip.performers) == ("jump", "jump", 1)
    assert clip.frames == (8, 9, 10, 11, 12)
    assert [path.name for path in clip.files] == [f"shot_{i}.jpg" for i in range(8, 13)]  # 10 comes after 9


def test_the_folder_itself_may_be_a_clip(tmp_path: Path) -> None:
    touch(tmp_path / "mine", "000.png", "001.png")
    (clip,) = clips(tmp_path / "mine").values()
    assert (clip.clip_id, clip.action, clip.frames) == ("mine", "mine", (0, 1))


@pytest.mark.parametrize(
    "names",
    [
        ["shot_1.jpg"],
        ["shot_1.jpg", "shot_3.jpg"],
        ["shot_1.jpg", "other_2.jpg"],
        ["shot_1.jpg", "shot_2.png"],
        ["shot_1.jpg", "shot_2.jpg", "cover.jpg"],
        ["shot_1.jpg", "shot_01.jpg"],
        ["anna.jpg", "bela.jpg"],
        ["20251105123456789012345.jpg", "20251105123456789012346.jpg"],
    ],
)
def test_other_images_are_photographs(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path / "mine", *(f"all/{name}" for name in names))
    found = clips(tmp_path / "mine")
    assert len(found) == len(names)
    assert all(clip.frames == (0,) and clip.performers is None for clip in found.values())


def test_what_images_are_can_be_said(tmp_path: Path) -> None:
    touch(tmp_path / "mine", "a/1.jpg", "a/2.jpg", "a/9.jpg", "b/anna.jpg", "b/10.jpg", "c.jpg")
    assert len(clips(tmp_path / "mine", images="photographs")) == 6
    found = clips(tmp_path / "mine", images="clip")
    assert {name: clip.frames for name, clip in found.items()} == {"a": (1, 2, 9), "b": (0, 1), "mine": (0,)}
    assert [path.name for path in found["b"].files] == ["10.jpg", "anna.jpg"]


def test_ids_that_would_be_the_same(tmp_path: Path) -> None:
    touch(
        tmp_path / "mine", "a.jpg", "a.png", "b.jpg", "clip/1.jpg", "clip/2.jpg", "clip.mp4", "x_y/z.mp4", "x/y_z.mp4"
    )
    found = clips(tmp_path / "mine")
    assert {"a.jpg", "a.png", "b", "clip", "clip.mp4"} < set(found)
    marked = sorted(name for name in found if name.startswith("x_y_z.mp4-"))
    assert len(found) == 7
    assert {len(name) for name in marked} == {len("x_y_z.mp4-123456")}
    touch(tmp_path / "mine", "another.mp4")
    assert set(marked) < set(clips(tmp_path / "mine"))  # they stay what they are


def test_hidden_things_and_the_cache_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", ".b.mp4", ".git/c.mp4", "keypoints/_extraction/a.jpg", "more/d.mp4")
    source = MediaFolder(str(tmp_path), str(tmp_path / "more" / ".." / "keypoints"))
    assert [clip.clip_id for clip in source.media()] == ["a", "more_d"]
    with pytest.raises(InputError, match="is both root and cache"):
        MediaFolder(str(tmp_path), f"{tmp_path}/more/..")


def test_links(tmp_path: Path) -> None:
    touch(tmp_path, "outside/a.mp4", "root/b.mp4", "root/in/c.mp4")
    root = tmp_path / "root"
    (root / "loop").symlink_to(root)
    (root / "in" / "up").symlink_to("..")
    (root / "twice").symlink_to("in")
    (root / "away").symlink_to(tmp_path / "outside")
    (root / "file.mp4").symlink_to("b.mp4")
    (tmp_path / "linked").symlink_to(root)
    for folder in (root, tmp_path / "linked", tmp_path / "outside" / ".." / "root"):
        source = MediaFolder(str(folder), str(tmp_path / "cache"))
        assert [clip.clip_id for clip in source.media()] == ["b", "file", "in_c"]
        ((name, reason),) = source.rejected
        assert name == "away"
        assert "a symbolic link that leaves the folder" in reason
        assert len(source.media()) == 3
        assert len(source.rejected) == 1  # not twice


def test_a_link_to_nothing_is_kept_to_be_reported_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to("nowhere")
    assert len(MediaFolder(str(tmp_path), str(tmp_path / "cache")).media()) == 1


@pytest.mark.parametrize(
    "name", ["a\nb.mp4", "a\x1b[31m.mp4", "a\\b.mp4", os.fsdecode(b"a\xff.mp4"), "ü" * 110 + ".mp4"]
)
def test_names_that_no_clip_may_have_do_not_stop_the_others(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name, "good.mp4")
    source = MediaFolder(str(tmp_path), str(tmp_path / "cache"))
    assert [clip.clip_id for clip in source.media()] == ["good"]
    ((said, reason),) = source.rejected
    assert (said + reason).isprintable()
    assert reason.endswith(("rename the clip", "give the clip a shorter name"))


def test_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "my videos", "a.mp4", "1.jpg")
    monkeypatch.chdir(tmp_path / "my videos")
    for root in (".", "../my videos"):
        source = MediaFolder(root, "../cache")
        assert [(clip.clip_id, clip.action) for clip in source.media()] == [("a", "my videos"), ("1", "my videos")]


def test_the_root_may_be_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "mine", "vault.MP4", "anna.jpg", "jump_1.png", "jump_2.png", "notes.txt")
    monkeypatch.chdir(tmp_path / "mine")
    for root, folder in ((tmp_path / "mine" / "vault.MP4", tmp_path / "mine"), (Path("vault.MP4"), Path())):
        (video,) = clips(root, performers=2).values()
        assert (video.clip_id, video.action, video.frames, video.performers) == ("vault", "mine", None, 2)
        assert (video.files, video.root) == ((root,), folder)
    (photograph,) = clips(tmp_path / "mine" / "jump_2.png").values()
    assert (photograph.clip_id, photograph.frames, photograph.performers) == ("jump_2", (0,), None)
    with pytest.raises(InputError, match=r"notes.txt: is not a folder, and by its name no video or image; check"):
        clips(tmp_path / "mine" / "notes.txt")
    touch(tmp_path / "mine", "a\nb.mp4")
    source = MediaFolder("a\nb.mp4", "cache")
    assert source.media() == []
    assert source.rejected[0][0] == repr("a\nb.mp4")


def test_a_folder_without_permission_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "closed/a.mp4", "open/b.mp4")
    if os.geteuid() == 0:  # for whom permissions do not exist
        really = Path.iterdir

        def iterdir(path: Path) -> Any:
            if path.name == "closed":
                raise PermissionError(13, "Permission denied")
            return really(path)

        monkeypatch.setattr(Path, "iterdir", iterdir)
    (tmp_path / "closed").chmod(0)
    try:
        source = MediaFolder(str(tmp_path), str(tmp_path / "cache"))
        assert [clip.clip_id for clip in source.media()] == ["open_b"]
        ((name, reason),) = source.rejected
        assert name == "closed"
        assert "cannot be listed (Permission denied); check who may read it" in reason
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_nothing_to_extract(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder"):
        MediaFolder(str(tmp_path / "nowhere"), "cache").media()
    touch(tmp_path, "file", "notes.txt")
    with pytest.raises(InputError, match=r"file: is not a folder"):
        MediaFolder(str(tmp_path / "file"), "cache").media()
    with pytest.raises(InputError, match=r"no videos and no images in it"):
        MediaFolder(str(tmp_path), "cache").media()
    with pytest.raises(InputError, match="performers must be at least 1"):
        MediaFolder(str(tmp_path), "cache", performers=0)
