"""Keypoints from heatmaps, for a whole batch at once; equal to mmpose's codec `MSRAHeatmap`, which goes one by one."""

import cv2
import numpy as np
import numpy.typing as npt

from extraction.types import Floats

Cells = npt.NDArray[np.int64]


def decode_msra(heatmaps: Floats, blur: int | None) -> tuple[Floats, Floats]:
    """Where each heatmap has its maximum, refined to fractions of a cell.

    Plain refinement moves a quarter of a cell towards the higher neighbour on each axis (Xiao et al., ECCV 2018); the
    unbiased one takes the peak of a Gaussian fitted to the blurred heatmap (DARK, Zhang et al., CVPR 2020).

    Args:
        heatmaps: [B, K, H, W].
        blur: width in cells, an odd number, of the Gaussian blur of the unbiased refinement; None for the plain one.

    Returns:
        xy [B, K, 2] in cells, and the maximum [B, K]. Where no cell is above 0 xy is -1, as in mmpose.
    """
    count, keypoints, height, width = heatmaps.shape
    flat = heatmaps.reshape(count * keypoints, height * width)
    best = flat.argmax(axis=1)
    highest = flat[np.arange(len(flat)), best]
    y, x = np.divmod(best, width)
    found = highest > 0
    maps = flat.reshape(len(flat), height, width)
    step = _quarter(maps, x, y) if blur is None else _dark(maps, x, y, highest, blur)
    xy = np.stack([x, y], axis=1).astype(np.float32) + step
    xy[~found] = -1
    shape = (count, keypoints)
    return xy.reshape(*shape, 2).astype(np.float32), highest.reshape(shape).astype(np.float32)


def _quarter(maps: Floats, x: Cells, y: Cells) -> Floats:
    """Steps [N, 2] of a quarter of a cell towards the second maximum; none at the border."""
    count, height, width = maps.shape
    n = np.arange(count)
    # mmpose leaves columns and rows 0 and 1 alone, and the last ones
    columns = (x > 1) & (x < width - 1) & (y > 0)
    rows = (y > 1) & (y < height - 1) & (x > 0)
    right, left = np.minimum(x + 1, width - 1), np.maximum(x - 1, 0)
    below, above = np.minimum(y + 1, height - 1), np.maximum(y - 1, 0)
    dx = np.where(columns, maps[n, y, right] - maps[n, y, left], np.float32(0))
    dy = np.where(rows, maps[n, below, x] - maps[n, above, x], np.float32(0))
    return np.asarray(np.sign(np.stack([dx, dy], axis=1)) * 0.25, np.float32)


def _dark(maps: Floats, x: Cells, y: Cells, highest: Floats, blur: int) -> Floats:
    """Steps [N, 2] to the peak of the logarithm's Taylor series; none within two cells of the border."""
    count, height, width = maps.shape
    smooth = _blurred(maps, blur)
    with np.errstate(divide="ignore", invalid="ignore"):  # maps without a positive value give no step
        smooth *= (highest / smooth.max(axis=(1, 2)))[:, None, None]
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    n = np.flatnonzero(inside)
    column, row = x[n], y[n]

    def log(dx: int, dy: int) -> Floats:
        return np.asarray(np.log(np.maximum(smooth[n, row + dy, column + dx], np.float32(1e-10))), np.float32)

    middle = log(0, 0)
    gx = 0.5 * (log(1, 0) - log(-1, 0))
    gy = 0.5 * (log(0, 1) - log(0, -1))
    gxx = 0.25 * (log(2, 0) - 2 * middle + log(-2, 0))
    gyy = 0.25 * (log(0, 2) - 2 * middle + log(0, -2))
    gxy = 0.25 * (log(1, 1) - log(1, -1) - log(-1, 1) + log(-1, -1))
    determinant = (gxx * gyy - gxy**2).astype(np.float64)
    solvable = determinant != 0
    safe = np.where(solvable, determinant, 1.0)
    step = np.zeros((count, 2), np.float32)
    step[n, 0] = np.where(solvable, -(gyy * gx - gxy * gy) / safe, 0.0)
    step[n, 1] = np.where(solvable, -(gxx * gy - gxy * gx) / safe, 0.0)
    return step


def _blurred(maps: Floats, blur: int) -> Floats:
    """The maps [N, H, W], each blurred by itself with nothing around it.

    One call for all: they are laid below each other, with empty rows between them.
    """
    count, height, width = maps.shape
    border = blur // 2
    tall = np.zeros((count, height + border, width), np.float32)
    tall[:, :height] = maps
    flat = cv2.GaussianBlur(tall.reshape(-1, width), (blur, blur), 0, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(flat, np.float32).reshape(tall.shape)[:, :height].copy()
