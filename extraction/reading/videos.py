"""Videos as RGB frames, one after the other."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from errors import InputError
from extraction.reading.readable import COPY_AGAIN, UPRIGHT, Turn, check_file, turned
from extraction.types import Frame

CONTAINERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "ogg", "gif", "mxf", "dv")
"""What FFmpeg may take a file for: no playlist, which would name other files, and no text."""

UNEVEN = ("mpegts",)
"""Containers in which a packet that is marked as damaged is no sign of an end that is missing: recorded broadcasts."""

SEGMENT = 0x18538067  # Matroska's element around everything


def read_video(path: Path) -> Iterator[Frame]:
    """The frames of a video in the order in which they are shown, numbered from 0; one at a time is in memory.

    Times are those of the file, counted from the first frame, also where the rate varies. Frames are turned and
    mirrored as the file's display matrix says, to quarter turns.

    A video whose end is missing is not taken for the whole: MP4, MOV, AVI, Matroska, WebM and FLV say what they should
    hold. MPEG-TS, MPEG-PS, GIF and WMV do not say so in every case.

    Raises:
        InputError: no such file, a folder, no permission, no bytes, no video, no frames, an end that is missing or a
            frame that cannot be decoded (says how many could), or frames of different sizes.
    """
    check_file(path)
    count = 0
    try:
        with _open(path) as container:
            stream = _video_stream(path, container)
            if missing := _missing_bytes(path, container, stream):
                raise InputError(f"{path}: the video is cut off, {missing:,} bytes or more are missing; {COPY_AGAIN}")
            for frame in _frames(path, container, stream):
                yield frame
                count += 1
    except (av.FFmpegError, EOFError) as error:
        raise InputError(
            f"{path}: the video is cut off or damaged after {count} frames ({_reason(error)}); {COPY_AGAIN}"
        ) from None
    if not count:
        raise InputError(f"{path}: the video has no frame that can be read; {COPY_AGAIN}")


def _open(path: Path) -> InputContainer:
    try:
        return av.open(
            f"file:{path}",  # else a colon in the name would be taken for a protocol
            options={"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"},
            metadata_errors="replace",  # titles in old encodings
        )
    except (av.FFmpegError, EOFError) as error:
        raise InputError(
            f"{path}: is no video that can be read, or is cut off or damaged ({_reason(error)}); save it as MP4, or "
            "take it out of the folder"
        ) from None


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # a sound file's cover
            stream.thread_type = "AUTO"
            return stream
    what = "only sound" if container.streams.audio else "no pictures"
    raise InputError(f"{path}: holds {what}; take it out of the folder")


def _frames(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[Frame]:
    convert = VideoReformatter()
    count, start = 0, math.nan
    size: tuple[int, int] | None = None
    strict = container.format.name not in UNEVEN
    for packet in _packets(container, stream):
        if packet.is_corrupt and strict:
            raise InputError(f"{path}: the video is cut off or damaged after {count} frames; {COPY_AGAIN}")
        for frame in packet.decode():
            seconds = math.nan if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
            if math.isnan(start):
                start = seconds
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                raise InputError(
                    f"{path}: frame {count} has {frame.width} x {frame.height} pixels, those before have "
                    f"{size[0]} x {size[1]}; save the video in one size"
                )
            pixels = convert.reformat(frame, format="rgb24", threads=1).to_ndarray()
            yield Frame(count, seconds - start, turned(pixels.astype(np.uint8, copy=False), _turn(frame)))
            count += 1


def _packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    try:
        yield from container.demux(stream)
    except IndexError:  # PyAV stumbles over other streams that began late, once all packets of this one are through
        return


def _turn(frame: VideoFrame) -> Turn:
    """The display matrix a b u, c d v, x y w takes (x, y) to (a x + c y, b x + d y)."""
    data = cast(Mapping[str, SideData], frame.side_data).get("DISPLAYMATRIX")  # PyAV's types know no other than vectors
    if data is None:
        return UPRIGHT
    a, b, c, d = np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Turn(True, c < 0, b < 0)
    return Turn(False, a < 0, d < 0)


def _missing_bytes(path: Path, container: InputContainer, stream: VideoStream) -> int:
    """How many bytes the file should have and does not, as far as its beginning tells."""
    there = path.stat().st_size
    expected = 0
    if "mp4" in container.format.name:
        expected = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    elif "matroska" in container.format.name:
        expected = _matroska_size(path)
    return max(expected - there, 0)


def _matroska_size(path: Path) -> int:
    """Where the file's segment ends; 0 where its writer did not know, as in live recordings.

    Elements are an id and a size of variable length, whose first byte says how long they are (RFC 8794).
    """
    with path.open("rb") as file:
        head = file.read(4096)
    at = 0
    while at + 16 <= len(head):
        length = 9 - head[at].bit_length()
        identity = int.from_bytes(head[at : at + length], "big")
        at += length
        length = 9 - head[at].bit_length()
        size = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
        at += length
        if identity == SEGMENT:
            return 0 if size == (1 << 7 * length) - 1 else at + size
        at += size
    return 0


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)
