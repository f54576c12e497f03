"""Dynamic time warping of two sequences of poses, and the path itself: which pose is matched with which."""

import torch
from torch import Tensor

_BOTH, _SECOND, _FIRST = 0, 1, 2  # by which step a cell is reached, in the order of preference


@torch.no_grad()
def warping_path(distance: Tensor, wait: float = 0.0) -> Tensor:
    """The path from the first two poses to the last two with the smallest sum of distances.

    A step moves on by one pose in both sequences, in the second, or in the first; among equal sums they are preferred
    in that order, looking back from the end. With `wait` 0 it is the path whose means `DTWAlignment` gives for an
    exemplar (first) and a query (second).

    Args:
        distance: [R, F] of every pose of the first sequence to every pose of the second, finite, R and F at least 1.
        wait: added to the sum for a step in which one of the sequences waits, at least 0; keeps a path from making a
            detour round a few bad poses.

    Returns:
        [P, 2] int64, pairs of indices (row, column) from (0, 0) to (R - 1, F - 1); every row and column is on it.

    Raises:
        ValueError: no poses, or a distance that is not finite.
    """
    if distance.ndim != 2 or not distance.numel() or not bool(distance.isfinite().all()):
        raise ValueError("distances must be finite, [R, F] with at least one row and one column")
    rows, columns = distance.shape
    cells = distance.double().contiguous().flatten()
    # Sums of one anti-diagonal k = i + j at a time, by row, between two infinities; cell (i, k - i) depends on the two
    # diagonals before alone. Steps are kept for the way back, in the order of the diagonals.
    steps = torch.zeros(rows + columns - 1, rows, dtype=torch.uint8)
    twice, before = (torch.full((rows + 1,), torch.inf, dtype=torch.float64) for _ in range(2))
    for k in range(rows + columns - 1):
        low, high = max(0, k - columns + 1), min(k, rows - 1)
        here = torch.full_like(before, torch.inf)
        came = torch.stack((twice[low : high + 1], before[low + 1 : high + 2] + wait, before[low : high + 1] + wait))
        smallest, step = came.min(0)
        if k == 0:
            smallest = torch.zeros_like(smallest)
        offsets = torch.arange(low, high + 1)
        here[low + 1 : high + 2] = smallest + cells[offsets * columns + k - offsets]
        steps[k, low : high + 1] = step.to(torch.uint8)
        twice, before = before, here
    return _walk_back(steps, rows, columns)


def _walk_back(steps: Tensor, rows: int, columns: int) -> Tensor:
    i, j, table = rows - 1, columns - 1, steps.numpy()
    path = [(i, j)]
    while i or j:
        step = table[i + j, i]
        i, j = i - int(step != _SECOND), j - int(step != _FIRST)
        path.append((i, j))
    return torch.tensor(path[::-1])
