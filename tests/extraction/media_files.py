"""Photographs and videos of every kind, healthy and nasty, with what they show known exactly."""

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image as Pillow

from extraction.types import Image

COLOURS = np.array([[[220, 30, 30], [30, 200, 40]], [[40, 50, 210], [230, 220, 60]]], np.uint8)
"""Red, green over blue, yellow: every turn and mirroring looks different."""


def quarters(height: int = 48, width: int = 64) -> Image:
    """An image of four coloured quarters, uint8 [height, width, 3]."""
    return COLOURS.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def corners(image: Image) -> Image:
    """The colours in the middle of an image's quarters, uint8 [2, 2, 3]."""
    height, width = image.shape[:2]
    return image[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2]


def write_photograph(path: Path, image: Pillow.Image, orientation: int | None = None, **options: Any) -> Path:
    """Write an image in the format of its suffix, with an EXIF orientation if one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if orientation is not None:
        exif = Pillow.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    image.save(path, **options)
    return path


def write_png_16(path: Path, values: np.ndarray) -> Path:
    """Write a PNG of 16 bits a channel (Pillow writes no RGB of 16 bits); `values` is uint16 [H, W] or [H, W, 3]."""
    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    kind = 0 if values.ndim == 2 else 2
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(data)),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(content)
    return path


def write_video(
    path: Path,
    images: Sequence[Image],
    codec: str = "mpeg4",
    rate: int = 25,
    times: Sequence[float] | None = None,
    rotation: float | None = None,
    mirrored: bool = False,
    sound: bool = False,
    **options: str,
) -> Path:
    """Write a video.

    Args:
        path: its suffix chooses the container.
        images: the frames, uint8 [H, W, 3] of even height and width.
        codec: FFmpeg's name of an encoder.
        rate: frames per second.
        times: seconds of every frame, to whole milliseconds, where the rate varies.
        rotation: degrees by which players are told to turn the frames, counter-clockwise.
        mirrored: whether players are told to mirror them left to right.
        sound: whether half a second of silence comes with it, from the start.
        options: of the container.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=rate, options={"g": "12"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8", "png": "rgb24"}.get(codec, "yuv420p")
        stream.bit_rate = 4_000_000
        if rotation is not None or mirrored:
            stream.set_display_rotation(rotation or 0, hflip=mirrored)
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        tone: Any = container.add_stream("aac", rate=48000) if sound else None
        if tone is not None:
            _silence(container, tone)
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """Write half a second of silence, without pictures."""
    with av.open(str(path), "w") as container:
        _silence(container, container.add_stream("aac", rate=48000))
    return path


def _silence(container: Any, stream: Any) -> None:
    stream.layout = "mono"
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 24000), np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 48000, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode())


def cut(path: Path, share: float, name: str | None = None) -> Path:
    """A copy of a file that lacks its end: only `share` of the bytes are there."""
    content = path.read_bytes()
    copy = path.with_name(name or f"cut_{path.name}")
    copy.write_bytes(content[: round(len(content) * share)])
    return copy


def numbered_images(count: int, height: int = 48, width: int = 64) -> list[Image]:
    """Frames that say which they are: its bits are stripes, white for 1, the lowest on the left."""
    images = []
    for i in range(count):
        image = np.zeros((height, width, 3), np.uint8)
        for bit in range(8):
            if i >> bit & 1:
                image[:, bit * width // 8 : (bit + 1) * width // 8] = 255
        images.append(image)
    return images


def number_of(image: Image) -> int:
    """Which of `numbered_images` this is."""
    height, width = image.shape[:2]
    return sum(int(image[height // 2, (2 * bit + 1) * width // 16].mean() > 127) << bit for bit in range(8))
