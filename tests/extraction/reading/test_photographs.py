import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from errors import InputError
from extraction.reading.photographs import LONGEST_SIDE, MOST_PIXELS, read_image
from tests.conftest import REPO, shared_data
from tests.extraction.media_files import COLOURS, corners, cut, quarters, write_photograph, write_png_16


def complaint(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_image(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert ";" in message  # what to do
    return message


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".gif"])
def test_pixels_are_those_that_were_written(tmp_path: Path, suffix: str) -> None:
    image = read_image(write_photograph(tmp_path / f"a{suffix}", Pillow.fromarray(quarters())))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_array_equal(image, quarters())


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif", ".jp2"])
def test_lossy_formats_come_close(tmp_path: Path, suffix: str) -> None:
    path = write_photograph(tmp_path / f"a{suffix}", Pillow.fromarray(quarters()), quality=95)
    assert np.abs(corners(read_image(path)).astype(int) - COLOURS).max() < 12


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = write_photograph(tmp_path / f"a{suffix}", Pillow.fromarray(quarters()), orientation)
    with Pillow.open(path) as stored:
        stored.load()
        expected = np.asarray((ImageOps.exif_transpose(stored) or stored).convert("RGB"))
    np.testing.assert_array_equal(read_image(path), expected)
    assert expected.shape[:2] == ((48, 64) if orientation < 5 else (64, 48))


def test_a_phone_held_upright(tmp_path: Path) -> None:
    """Orientation 6: the stored left edge is the top's right half, so red goes to the upper right."""
    shown = corners(read_image(write_photograph(tmp_path / "a.png", Pillow.fromarray(quarters()), 6)))
    np.testing.assert_array_equal(shown, COLOURS[::-1].swapaxes(0, 1))


@pytest.mark.parametrize("value", [0, 9, 300])
def test_a_senseless_orientation_says_nothing(tmp_path: Path, value: int) -> None:
    path = write_photograph(tmp_path / "a.png", Pillow.fromarray(quarters()), value)
    np.testing.assert_array_equal(read_image(path), quarters())


def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    path = write_photograph(tmp_path / "a.jpg", Pillow.fromarray(quarters()), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" * 2)
    assert read_image(path).shape == (48, 64, 3)


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    grey = Pillow.fromarray(quarters()).convert("L")
    image = read_image(write_photograph(tmp_path / "a.png", grey))
    np.testing.assert_array_equal(image, np.repeat(np.asarray(grey)[:, :, None], 3, axis=2))
    assert read_image(write_photograph(tmp_path / "b.jpg", grey)).shape == (48, 64, 3)
    black_and_white = read_image(write_photograph(tmp_path / "c.png", grey.convert("1")))
    assert set(np.unique(black_and_white)) <= {0, 255}


def test_a_palette_becomes_rgb(tmp_path: Path) -> None:
    path = write_photograph(tmp_path / "a.png", Pillow.fromarray(quarters()).quantize(4))
    np.testing.assert_array_equal(read_image(path), quarters())


def clear_left_half(mode: str) -> Pillow.Image:
    image = Pillow.fromarray(quarters()).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 32, 48))
    if mode == "P":
        return image.quantize(5)
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_lie_over_white(tmp_path: Path, mode: str) -> None:
    image = read_image(write_photograph(tmp_path / "a.png", clear_left_half(mode)))
    assert (image[:, :32] == 255).all()
    assert (image[:, 32:] != 255).all()


def test_half_transparent_pixels_are_mixed_with_white(tmp_path: Path) -> None:
    half = Pillow.new("RGBA", (4, 4), (100, 0, 0, 128))
    image = read_image(write_photograph(tmp_path / "a.png", half))
    expected = np.array([100, 0, 0]) * 128 / 255 + 255 * 127 / 255
    np.testing.assert_allclose(image, np.broadcast_to(expected, (4, 4, 3)), atol=1)


def test_16_bits_keep_the_upper_8(tmp_path: Path) -> None:
    grey = np.array([[0, 255, 256], [0x7FFF, 0xFF00, 0xFFFF]], np.uint16)
    image = read_image(write_png_16(tmp_path / "grey.png", grey))
    np.testing.assert_array_equal(image, np.repeat((grey >> 8)[:, :, None], 3, axis=2))
    image = read_image(write_photograph(tmp_path / "grey.tif", Pillow.fromarray(grey)))
    np.testing.assert_array_equal(image, np.repeat((grey >> 8)[:, :, None], 3, axis=2))
    colour = quarters().astype(np.uint16) << 8 | 0x80
    np.testing.assert_array_equal(read_image(write_png_16(tmp_path / "colour.png", colour)), quarters())


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    path = write_photograph(tmp_path / f"a{suffix}", Pillow.fromarray(quarters()).convert("CMYK"))
    assert np.abs(corners(read_image(path)).astype(int) - COLOURS).max() < 20


def test_32_bits_are_refused(tmp_path: Path) -> None:
    values = Pillow.fromarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))
    assert "32-bit" in complaint(write_photograph(tmp_path / "a.tif", values))
    assert "32-bit" in complaint(write_photograph(tmp_path / "b.tif", values.convert("I")))


def test_one_pixel(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg"):
        path = write_photograph(tmp_path / f"a{suffix}", Pillow.new("RGB", (1, 1), "white"), 6)
        np.testing.assert_array_equal(read_image(path), np.full((1, 1, 3), 255))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest undoes the module's own filter
@pytest.mark.parametrize("size", [(12_000, 7_600), (300, 12_000)])  # Pillow warns above 89 million pixels
def test_12_000_pixels(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_photograph(tmp_path / "a.png", Pillow.new("L", size, 77), compress_level=1)
    image = read_image(path)
    assert image.shape == (size[1], size[0], 3)
    assert (image[::997, ::997] == 77).all()


def test_longer_sides_than_a_person_can_be_cut_out_of_are_refused(tmp_path: Path) -> None:
    assert read_image(write_photograph(tmp_path / "a.png", Pillow.new("L", (LONGEST_SIDE, 2)))).shape[1] == LONGEST_SIDE
    crop = cv2.warpAffine(np.zeros((2, LONGEST_SIDE, 3), np.uint8), np.eye(2, 3), (16, 16))
    assert crop.shape == (16, 16, 3)
    path = write_photograph(tmp_path / "b.png", Pillow.new("L", (2, LONGEST_SIDE + 1)))
    assert "has 2 x 32,767 pixels, a side may have 32,766; make it smaller" in complaint(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    side = 60_000
    body = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ]
    path = tmp_path / "bomb.png"
    chunks = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in body]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert "over 178 million pixels; make it smaller" in complaint(path)
    assert side**2 > MOST_PIXELS > 12_000**2
    assert Pillow.MAX_IMAGE_PIXELS is not None
    assert MOST_PIXELS == 2 * Pillow.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp", ".gif"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated_images_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    path = write_photograph(tmp_path / f"a{suffix}", Pillow.fromarray(noise))
    assert any(words in complaint(cut(path, share)) for words in ("cut off or damaged", "no image that can be read"))


def test_a_real_photograph_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes((shared_data("people") / "coco" / "000000000785.jpg").read_bytes())
    for share in np.linspace(0.1, 0.99, 25).tolist():
        assert "copy it again" in complaint(cut(path, share))


def test_a_real_photograph(tmp_path: Path) -> None:
    path = shared_data("people") / "coco" / "000000000785.jpg"
    with Pillow.open(path) as stored:
        np.testing.assert_array_equal(read_image(path), np.asarray(stored.convert("RGB")))


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_bytes(b""), "is empty (0 bytes); copy it again"),
        (lambda path: path.write_bytes(b"no image at all"), "is no image that can be read; save it as JPEG or PNG"),
        (lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "is no image"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff"), "no image that can be read"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "no such file"),
        (lambda path: path.symlink_to(path.with_name("nowhere")), "no such file"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (pipe, "is no ordinary file"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    make(tmp_path / "a b ü.jpg")
    assert says in complaint(tmp_path / "a b ü.jpg")


def test_what_is_no_image_is_refused_after_ultralytics_was_imported_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Pillow.open

    def theirs(*arguments: object, **options: object) -> object:
        """As ultralytics.utils.patches.image_open where pi-heif is not installed."""
        try:
            return opened(*arguments, **options)  # type: ignore[arg-type]
        except UnidentifiedImageError:
            raise ModuleNotFoundError("No module named 'pi_heif'") from None

    (tmp_path / "a.jpg").write_bytes(b"no image at all")
    monkeypatch.setattr(Pillow, "open", theirs)
    assert "is no image that can be read" in complaint(tmp_path / "a.jpg")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_photograph(tmp_path / "a.png", Pillow.fromarray(quarters()))
    if os.geteuid() == 0:  # for whom permissions do not exist

        def refuse(*words: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    path.chmod(0)
    assert "may not be read; give yourself permission" in complaint(path)


def test_nothing_but_the_error_is_said(tmp_path: Path) -> None:
    """In a process of its own, since pytest keeps warnings back."""
    write_photograph(tmp_path / "large.png", Pillow.new("L", (10_000, 9_000)), compress_level=1)
    odd = bytearray(write_photograph(tmp_path / "odd.tif", Pillow.fromarray(quarters())).read_bytes())
    (tmp_path / "odd.tif").write_bytes(odd[:-9])  # metadata that are cut off
    script = (
        "import sys, pathlib\nfrom errors import InputError\nfrom extraction.reading.photographs import read_image\n"
        "for name in sys.argv[1:]:\n    try: read_image(pathlib.Path(name))\n    except InputError: pass\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "large.png"), str(tmp_path / "odd.tif")]
    done = subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout + done.stderr == ""
