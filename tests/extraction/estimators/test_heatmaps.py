"""Decoding of heatmaps, against one written map by map, and against peaks whose place is known."""

import math

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from extraction.estimators.heatmaps import decode_msra
from extraction.types import Floats


def one_by_one(heatmap: Floats, blur: int | None) -> tuple[list[float], float]:
    """Decode one heatmap [H, W]."""
    height, width = heatmap.shape
    y, x = (int(i) for i in np.unravel_index(int(heatmap.argmax()), heatmap.shape))
    highest = float(heatmap[y, x])
    if not highest > 0:
        return [-1.0, -1.0], highest
    place = np.array([x, y], np.float64)
    if blur is None:
        if 1 < x < width - 1 and y > 0:
            place[0] += 0.25 * np.sign(heatmap[y, x + 1] - heatmap[y, x - 1])
        if 1 < y < height - 1 and x > 0:
            place[1] += 0.25 * np.sign(heatmap[y + 1, x] - heatmap[y - 1, x])
    elif 1 < x < width - 2 and 1 < y < height - 2:
        border = blur // 2
        smooth = cv2.GaussianBlur(np.pad(heatmap, border), (blur, blur), 0)[border:-border, border:-border]
        log = np.log(np.maximum(smooth * (highest / smooth.max()), 1e-10)).astype(np.float64)
        gradient = [(log[y, x + 1] - log[y, x - 1]) / 2, (log[y + 1, x] - log[y - 1, x]) / 2]
        xx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
        yy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
        xy = (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]) / 4
        if xx * yy != xy * xy:
            place -= np.linalg.solve([[xx, xy], [xy, yy]], gradient)
    return place.tolist(), highest


def gaussian(x: npt.ArrayLike, y: npt.ArrayLike, height: int = 64, width: int = 48) -> Floats:
    """Heatmaps [N, H, W] with sigma 2 and their peaks at x, y [N]."""
    rows, columns = np.mgrid[:height, :width]
    dx = columns - np.asarray(x)[:, None, None]
    dy = rows - np.asarray(y)[:, None, None]
    return np.asarray(np.exp(-(dx**2 + dy**2) / 8), np.float32)


def many(rng: np.random.Generator) -> Floats:
    """Noise, peaks everywhere and at the borders, flat and negative maps; [B, K, H, W]."""
    noise = rng.normal(size=(40, 64, 48)).astype(np.float32)
    peaks = gaussian(rng.uniform(0, 47, 200), rng.uniform(0, 63, 200))
    noisy = peaks + rng.normal(scale=0.05, size=peaks.shape).astype(np.float32)
    x, y = np.meshgrid([0, 1, 2, 45, 46, 47], [0, 1, 2, 61, 62, 63])
    borders = gaussian(x.ravel(), y.ravel())
    flat = np.stack([np.full((64, 48), value, np.float32) for value in (0.0, -1.0, 0.5, 1e-12)])
    together = np.concatenate([noise, peaks, noisy, borders, flat])
    return np.asarray(together.reshape(10, 48, 64, 48), np.float32)


@pytest.mark.parametrize("blur", [None, 11, 17])
def test_a_batch_is_decoded_as_one_by_one(blur: int | None) -> None:
    heatmaps = many(np.random.default_rng(0))
    kept = heatmaps.copy()
    xy, score = decode_msra(heatmaps, blur)
    np.testing.assert_array_equal(heatmaps, kept)
    assert xy.shape == (10, 48, 2)
    assert xy.dtype == score.dtype == np.float32
    for i, j in np.ndindex(10, 48):
        place, highest = one_by_one(heatmaps[i, j], blur)
        assert score[i, j] == np.float32(highest)
        # a step of many cells comes from a curvature of almost nothing, which rounding decides
        far = max(abs(a - b) for a, b in zip(place, np.divmod(heatmaps[i, j].argmax(), 48)[::-1], strict=True))
        np.testing.assert_allclose(xy[i, j], place, atol=2e-3 * max(1.0, math.hypot(far, 1) ** 2), err_msg=f"{i} {j}")


@pytest.mark.parametrize(("blur", "bound"), [(None, 0.3), (11, 0.05)])
def test_a_known_peak_is_found(blur: int | None, bound: float) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(8, 40, 300), rng.uniform(8, 56, 300)
    xy, score = decode_msra(gaussian(x, y)[None], blur)
    assert np.abs(xy[0] - np.stack([x, y], axis=1)).max() < bound
    assert score.min() > 0.9


def test_a_map_that_is_not_a_number_is_no_joint() -> None:
    xy, score = decode_msra(np.full((1, 1, 64, 48), np.nan, np.float32), None)
    assert xy.tolist() == [[[-1, -1]]]
    assert np.isnan(score).all()
