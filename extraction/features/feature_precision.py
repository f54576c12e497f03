"""Whether a fast precision may be used: decided by what it does to the features."""

from typing import Final

import numpy as np

from extraction.engines import Engine, Precision
from extraction.engines.precision import Choice, judged
from extraction.types import Floats, Image

BOUND: Final = 0.1  # of the spread of the windows; then drift adds at most a hundredth to their variance


def prove(fast: Precision, quick: Engine, exact: Engine, windows: Image) -> Choice:
    """Compare a fast network with the exact one on some windows.

    Args:
        fast: the precision in question.
        quick: an engine that runs in it.
        exact: an engine that runs the same network in fp32.
        windows: uint8 [B, L, h, w, 3], as many as there are.
    """
    batches = [windows[start : start + exact.batch] for start in range(0, len(windows), exact.batch)]
    return choose(fast, *(np.concatenate([engine(batch)[0] for batch in batches]) for engine in (exact, quick)))


def choose(fast: Precision, exact: Floats, quick: Floats) -> Choice:
    """The fast precision if the 95th percentile of its drift is under a tenth of the windows' spread, fp32 otherwise.

    What is made of features lives on how they differ from window to window. So drift is not measured against their
    length, most of which all windows have in common, but against the spread: the root of the mean squared distance of
    the windows from their mean, in fp32. The first windows are mostly neighbours in one clip, hard to tell apart.

    Args:
        fast: what the fast network ran in.
        exact: [B, C] in fp32.
        quick: [B, C] in the fast precision.
    """
    if len(exact) < 2:
        return Choice("fp32", f"fp32: {fast} cannot be compared on one window; give a batch of 2 or more, or precision")
    from_mean = np.linalg.norm(exact.astype(np.float64) - exact.mean(axis=0, dtype=np.float64), axis=1)
    spread = float(np.sqrt(np.sum(from_mean**2) / (len(exact) - 1)))
    if not 0 < spread < np.inf:
        return Choice("fp32", f"fp32: the first {len(exact)} windows are alike, {fast} cannot be compared on them")
    drift = np.linalg.norm(exact.astype(np.float64) - quick, axis=1) / spread
    return judged(fast, drift, BOUND, "windows by at most {:.1f} % of their spread")
