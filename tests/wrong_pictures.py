"""Photographs and videos that people give by mistake, and those that are unusual but fine."""

import io
from pathlib import Path

import av
import numpy as np
from PIL import Image as Pillow

from tests.extraction.fakes import picture, walking, write_photograph
from tests.extraction.media_files import cut, write_png_16, write_sound, write_video
from tests.extraction.media_files import write_photograph as write_turned

PERSON = (60, 20, 20, 80)
SOMEBODY = picture(PERSON)
UNUSUAL = dict.fromkeys(("grey", "alpha", "16 bit", "cmyk", "phone"), PERSON) | {
    "two  spaces, \N{HIRAGANA LETTER A} \N{PILE OF POO} é": PERSON,
    "wide": (11_900, 20, 20, 80),
    "cut in half": (60, 80, 20, 40),
}
"""Photographs that can be used: where somebody is in them, by clip id."""
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog>>\nendobj\n" + bytes(200)


def write_wrong_pictures(folder: Path) -> dict[str, str]:
    """Photographs that cannot be used; gives for each file name what must be said of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "no image.jpg").write_text("just words")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "document.jpg").write_bytes(PDF)
    (folder / "live.HEIC").write_bytes(HEIC)
    (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    Pillow.fromarray(noise).save(whole, "JPEG")
    (folder / "cut.jpg").write_bytes(whole.getvalue()[:-2000])
    Pillow.new("RGB", (33_000, 4)).save(folder / "panorama.png")
    Pillow.new("RGB", (1, 1)).save(folder / "dot.png")
    write_photograph(folder / "nobody.png", picture())
    return {
        "no image.jpg": "is no image",
        "empty.jpg": "is empty (0 bytes)",
        "document.jpg": "is no image",
        "live.HEIC": "is no image",
        "nowhere.jpg": "no such file",
        "cut.jpg": "is cut off or damaged",
        "panorama.png": "33,000 x 4 pixels",
        "dot.png": "no person found",
        "nobody.png": "no person found",
    }


def write_wrong_videos(folder: Path) -> dict[str, str]:
    """Videos that cannot be used; gives for each file name what must be said of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "no video.mp4").write_text("just words")
    (folder / "empty.mp4").write_bytes(b"")
    whole = write_video(folder / "whole.avi", walking(20))
    cut(whole, 0.6, "cut.avi")
    whole.unlink()
    write_sound(folder / "sound.mp4")
    with av.open(str(folder / "frameless.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 160, 120
        container.start_encoding()
    write_video(folder / "nobody.mp4", [picture()] * 5)
    return {
        "no video.mp4": "is no video",
        "empty.mp4": "is empty (0 bytes)",
        "cut.avi": "cut off or damaged",
        "sound.mp4": "holds only sound",
        "frameless.avi": "has no frame",
        "nobody.mp4": "no person found",
    }


def write_unusual_photographs(folder: Path) -> None:
    """Photographs of somebody that can be used, see `UNUSUAL`."""
    folder.mkdir(parents=True, exist_ok=True)
    rgb = Pillow.fromarray(SOMEBODY)
    rgb.convert("L").save(folder / "grey.png")
    clear = np.dstack([SOMEBODY, np.full(SOMEBODY.shape[:2], 255, np.uint8)])
    clear[SOMEBODY[..., 0] == 255] = 0  # who stands before white has a white half, too
    Pillow.fromarray(clear).save(folder / "alpha.png")
    write_png_16(folder / "16 bit.png", SOMEBODY.astype(np.uint16) * 257)
    rgb.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    stored = Pillow.fromarray(np.ascontiguousarray(np.rot90(SOMEBODY)))
    write_turned(folder / "phone.jpg", stored, 6, quality=95)
    rgb.save(folder / "two  spaces, \N{HIRAGANA LETTER A} \N{PILE OF POO} é.png")
    Pillow.fromarray(picture(UNUSUAL["wide"], size=(12_000, 120))).save(folder / "wide.png", compress_level=1)
    Pillow.fromarray(picture(UNUSUAL["cut in half"])).save(folder / "cut in half.png")


def write_unusual_videos(folder: Path) -> None:
    """Videos of somebody who walks: `uneven` in time, `turned`, `moving` as a GIF, seen `once` in a single frame."""
    write_video(folder / "uneven.mkv", walking(6), times=[0, 0.04, 0.5, 0.54, 2, 2.04])
    write_video(folder / "turned.mp4", [np.ascontiguousarray(np.rot90(one)) for one in walking(6)], rotation=-90)
    write_video(folder / "moving.gif", walking(6), "gif")
    write_video(folder / "once.mp4", walking(1))
