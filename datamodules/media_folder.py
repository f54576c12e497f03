"""Any folder of videos and photographs, or one of them."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from errors import InputError
from extraction.reading.media import ClipMedia, entries, frames_of, is_image, is_video, numbered
from poses.cache.keypoint_cache import check_clip_id

Images = Literal["auto", "clip", "photographs"]


class MediaFolder:
    """The videos and photographs of a folder, searched with its subfolders; there are no labels.

    Every video is a clip. Images whose names are alike and end in consecutive numbers (`shot_07.jpg`, `shot_08.jpg`,
    with nothing else beside them) are the frames of a clip; any other image is a photograph of its own, in which
    everybody is kept. Hidden files and folders, other kinds of files and the keypoint cache are passed over.

    A clip's id is its path below `root` without the suffix, "/" becoming "_": `anna/vault.mp4` is `anna_vault`. Where
    two would have the same id, both keep their suffix, and where that does not help both get six letters and digits
    that follow from their path. The action is the name of the topmost folder, for files directly in `root` its own.

    Symbolic links to folders inside `root` are passed over, what they lead to is found where it lies.

    Args:
        root: the folder; or one video, or one image, which is a photograph then.
        cache: folder of the keypoint cache to fill.
        performers: how many people perform in a clip; of the others nothing is kept.
        images: "clip" makes the images of every folder one clip, in the order of the numbers that their names end in;
            "photographs" makes each a photograph of its own; "auto" decides as said above.

    Raises:
        InputError: fewer than one performer, or a cache in the place of `root`.
    """

    def __init__(self, root: str, cache: str, performers: int = 1, images: Images = "auto") -> None:
        if performers < 1:
            raise InputError(f"performers must be at least 1, got {performers}")
        self.root = Path(root)
        self.cache = Path(cache)
        if os.path.realpath(root) == os.path.realpath(cache):
            raise InputError(f"{root}: is both root and cache; give the keypoints a folder of their own (--data.cache)")
        self.performers = performers
        self.images: Images = images
        self.rejected: list[tuple[str, str]] = []

    def media(self) -> Sequence[ClipMedia]:
        """The clips and photographs, folder by folder; `rejected` is filled with what must be left out, and why.

        Raises:
            InputError: no such folder, it may not be read, or nothing in it is video or image; another kind of file.
        """
        self.rejected = []
        if not self.root.is_file():
            entries(self.root)  # of the folder itself nothing can be rejected: complain
        elif not is_video(self.root) and not is_image(self.root):
            raise InputError(f"{self.root}: is not a folder, and by its name no video or image; check --data.root")
        found = list(self._found())
        if not found and not self.rejected:
            raise InputError(f"{self.root}: no videos and no images in it; check --data.root")
        clips = []
        for clip, path in zip(_with_own_ids(found, self._folder()), (clip.files[0] for clip in found), strict=True):
            try:
                check_clip_id(clip.clip_id)
            except InputError as problem:
                self._reject(path, str(problem))
            else:
                clips.append(clip)
        return clips

    def _folder(self) -> Path:
        """The folder that the media lie in."""
        return self.root.parent if self.root.is_file() else self.root

    def _found(self) -> Iterator[ClipMedia]:
        if self.root.is_file():
            video = is_video(self.root)
            frames, performers = (None, self.performers) if video else ((0,), None)
            yield self._clip(self.root.with_suffix(""), (self.root,), frames, performers)
            return
        left = [self.root]
        while left:
            folder = left.pop()
            try:
                paths = entries(folder)
                folders = [path for path in paths if path.is_dir()]
            except InputError as problem:
                self._reject(folder, str(problem))
                continue
            except OSError as error:  # names may be listed, but no more
                self._reject(folder, f"{folder}: cannot be searched ({error.strerror}); check who may read it")
                continue
            left += [path for path in reversed(folders) if self._enters(path)]
            files = sorted(set(paths) - set(folders))
            for path in filter(is_video, files):
                yield self._clip(path.with_suffix(""), (path,), None, self.performers)
            yield from self._of_images(folder, list(filter(is_image, files)))

    def _of_images(self, folder: Path, images: list[Path]) -> Iterator[ClipMedia]:
        if images and (self.images == "clip" or (self.images == "auto" and _are_frames(images))):
            yield self._clip(folder, *frames_of(images), self.performers)
            return
        for path in images:
            yield self._clip(path.with_suffix(""), (path,), (0,), None)

    def _clip(
        self, path: Path, files: tuple[Path, ...], frames: tuple[int, ...] | None, performers: int | None
    ) -> ClipMedia:
        root = self._folder()
        own = root.resolve().name
        below = files[0].relative_to(root).parts
        parts = path.relative_to(root).parts or (own,)
        return ClipMedia("_".join(parts), below[0] if len(below) > 1 else own, files, frames, performers, root)

    def _enters(self, folder: Path) -> bool:
        real = Path(os.path.realpath(folder))
        if folder.is_symlink():
            if not real.is_relative_to(os.path.realpath(self.root)):
                self._reject(folder, f"a symbolic link that leaves the folder {self.root}; copy the folder itself")
            return False
        return real != Path(os.path.realpath(self.cache))

    def _reject(self, path: Path, reason: str) -> None:
        name = str(path.relative_to(self._folder()))
        self.rejected.append((name if name.isprintable() else repr(name), reason))


def _are_frames(images: Sequence[Path]) -> bool:
    patterns = {(re.sub(r"[0-9]+$", "", path.stem, flags=re.ASCII), path.suffix) for path in images}
    numbers = list(numbered(images))
    return len(patterns) == 1 and len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1


def _with_own_ids(clips: Sequence[ClipMedia], root: Path) -> list[ClipMedia]:
    """The same clips, their ids made different."""
    ids = [clip.clip_id for clip in clips]
    paths = [clip.files[0].relative_to(root) for clip in clips]
    suffixes = [path.suffix if len(clip.files) == 1 else "" for clip, path in zip(clips, paths, strict=True)]
    marks = ["-" + hashlib.sha256(os.fsencode(path)).hexdigest()[:6] for path in paths]
    for endings in (suffixes, marks):
        count = Counter(ids)
        ids = [name + end if count[name] > 1 else name for name, end in zip(ids, endings, strict=True)]
    return [replace(clip, clip_id=name) for clip, name in zip(clips, ids, strict=True)]
