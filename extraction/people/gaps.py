"""Short gaps of a pose sequence, filled in."""

import itertools

import numpy as np
import numpy.typing as npt

from extraction.types import Floats


def fill_gaps(xy: Floats, confidence: Floats, longest: int) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Fills in joints that are missing between two frames in which they are seen, along a straight line in time.

    A joint that is missing at the beginning, at the end or for more than `longest` frames stays missing. It gets the
    lesser of the two confidences; unknown if one is unknown.

    Args:
        xy: [F, 15, 2], NaN where missing.
        confidence: [F, 15].
        longest: frames of a gap at the most.

    Returns:
        xy and confidence, as given but for the gaps, and [F] bool, where a joint or more was filled in.
    """
    filled, sureness = xy.copy(), confidence.copy()
    interpolated = np.zeros(len(xy), np.bool_)
    seen = np.isfinite(xy).all(axis=2)
    for joint in range(xy.shape[1]):
        frames = np.flatnonzero(seen[:, joint])
        for before, after in itertools.pairwise(frames):
            if not 1 < after - before <= longest + 1:
                continue
            gap = np.arange(before + 1, after)
            share = ((gap - before) / (after - before))[:, None].astype(xy.dtype)
            filled[gap, joint] = (1 - share) * xy[before, joint] + share * xy[after, joint]
            sureness[gap, joint] = np.minimum(confidence[before, joint], confidence[after, joint])
            interpolated[gap] = True
    return filled, sureness, interpolated
