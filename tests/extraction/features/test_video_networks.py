"""The middle of a frame, against pixels that are known."""

import cv2
import numpy as np
import pytest

from errors import InputError
from extraction.features.video_networks import centre_crop
from extraction.types import Image


def ramp(height: int, width: int) -> Image:
    """Red says how far down a pixel is, green how far right, in shares of the frame; blue is even."""
    down, right = np.mgrid[0:height, 0:width] + 0.5
    shares = np.stack([down / height, right / width, np.full((height, width), 0.5)], axis=-1)
    return np.asarray(np.rint(255 * shares), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(240, 320), (720, 1280), (320, 240), (256, 256), (128, 128), (61, 97)])
def test_the_middle_square_is_seen(height: int, width: int) -> None:
    crop = centre_crop(ramp(height, width), 256, 224)
    assert crop.shape == (224, 224, 3)
    assert crop.flags["C_CONTIGUOUS"]
    assert crop.base is None  # the rest of the resized frame is let go
    short = min(height, width)
    for axis, length in ((0, height), (1, width)):
        seen = 224 / 256 * short / length  # share of the frame along this axis
        places = (np.arange(224) + 0.5) / 224 * seen + (1 - seen) / 2
        shades = crop[:, 112, 0] if axis == 0 else crop[112, :, 1]
        np.testing.assert_allclose(shades / 255, places, atol=0.012)
    assert (crop[..., 2] == 128).all()


def test_a_frame_of_the_right_size_is_only_cut() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (256, 400, 3), dtype=np.uint8)
    np.testing.assert_array_equal(centre_crop(frame, 256, 224), frame[16:240, 88:312])


def test_shrinking_averages_unless_told_otherwise() -> None:
    board = np.zeros((512, 512, 3), np.uint8)
    board[::2] = 255
    assert np.abs(centre_crop(board, 256, 224).astype(int) - 128).max() <= 1
    four = np.kron(np.array([[0], [255], [0], [0]], np.uint8), np.ones((1, 1024), np.uint8))
    frame = np.repeat(np.tile(four, (256, 1))[..., None], 3, axis=2)
    assert np.abs(centre_crop(frame, 256, 224).astype(int) - 64).max() <= 1
    assert np.abs(centre_crop(frame, 256, 224, cv2.INTER_LINEAR).astype(int) - 128).max() <= 1


def test_height_and_width_may_be_given() -> None:
    crop = centre_crop(ramp(240, 480), (256, 256), 224)
    np.testing.assert_allclose(crop[112, :, 1] / 255, (np.arange(224) + 16.5) / 256, atol=0.012)


@pytest.mark.parametrize("shape", [(1, 17, 3), (5000, 2, 3)])
def test_a_frame_that_is_a_line_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=f"a frame of {shape[1]}x{shape[0]} pixels is too narrow"):
        centre_crop(np.zeros(shape, np.uint8), 256, 224)


def test_a_frame_of_one_pixel_is_enlarged() -> None:
    assert (centre_crop(np.full((1, 1, 3), 9, np.uint8), 256, 224) == 9).all()
