"""Whether a fast precision may be used: decided by what it does to the keypoints, not by what it promises."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from extraction.engines import Engine, Precision
from extraction.types import Floats, Image

BOUND: Final = 0.005  # of the longer side of the box
SEEN: Final = 0.2  # confidence under which a joint counts as missing in the cache


class Choice(NamedTuple):
    """A precision, and the line for the screen that says why."""

    precision: Precision
    why: str


def prove(
    fast: tuple[Precision, Engine],
    exact: Engine,
    decode: Callable[[tuple[Floats, ...]], tuple[Floats, Floats]],
    pixels: Image,
    longer_side: float,
) -> Choice:
    """Compare a fast network with the exact one on some crops.

    Args:
        fast: the precision in question, and an engine that runs in it.
        exact: an engine that runs the same network in fp32.
        decode: xy [B, K, 2] in crop pixels and confidence [B, K] from what an engine says.
        pixels: crops uint8 [B, h, w, 3], as many as there are.
        longer_side: of the people's boxes, in crop pixels.
    """
    drift = [
        drifts(decode(exact(some)), decode(fast[1](some)), longer_side)
        for some in (pixels[start : start + exact.batch] for start in range(0, len(pixels), exact.batch))
    ]
    return choose(fast[0], np.concatenate(drift))


def choose(fast: Precision, drift: Floats) -> Choice:
    """The fast precision if the 95th percentile of its drift is under 0.5 % of the box, fp32 otherwise.

    Args:
        fast: what the fast network ran in.
        drift: [N], how far each compared keypoint lies from where fp32 has it, as a share of the longer side of the
            box; not finite where the fast network gave none.
    """
    if len(drift) == 0:
        return Choice("fp32", f"fp32: the first crops show no joint that {fast} could be compared on")
    return judged(fast, drift, BOUND, "joints by at most {:.2f} % of the box")


def judged(fast: Precision, drift: npt.NDArray[np.floating[Any]], bound: float, what: str) -> Choice:
    """The fast precision if the 95th percentile of the drift [N], N at least 1, is under the bound, fp32 otherwise.

    Args:
        fast: the precision in question.
        drift: shares of what is compared with; not finite where the fast network gave no number.
        bound: a share too.
        what: what moved by how many percent, for the screen.
    """
    # not interpolated: between infinity and a number that would give NaN
    worst = float(np.percentile(np.where(np.isfinite(drift), drift, np.inf), 95, method="inverted_cdf"))
    moved = f"{fast} moves 95 % of {len(drift)} {what.format(100 * worst)}"
    if worst < bound:
        return Choice(fast, f"{fast}: {moved} (under {100 * bound:g} % is kept)")
    return Choice("fp32", f"fp32: {moved} (only under {100 * bound:g} % is kept)")


def drifts(exact: tuple[Floats, Floats], fast: tuple[Floats, Floats], longer_side: float) -> Floats:
    """How far keypoints move, for `choose`; only joints that one of the two sees are compared.

    Args:
        exact: xy [B, K, 2] in pixels and confidence [B, K], in fp32.
        fast: the same in the fast precision.
        longer_side: of the box, in the same pixels.

    Returns:
        [N] shares of the longer side.
    """
    seen = ~((exact[1] < SEEN) & (fast[1] < SEEN))  # a confidence that is not a number is no excuse
    distance = np.linalg.norm(exact[0].astype(np.float64) - fast[0], axis=2)
    return np.asarray(distance[seen] / longer_side, np.float32)
