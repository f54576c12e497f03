"""Follows the people of a clip from frame to frame, by supervision's ByteTrack."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from supervision.detection.utils.iou_and_nms import box_iou_batch
from supervision.tracker.byte_tracker.core import ByteTrack
from supervision.tracker.byte_tracker.matching import linear_assignment

from extraction.types import People

LOST_SECONDS = 1.0
"""For how long somebody who is lost may be found again under the same number."""
FIRST_SCORE = 0.25
"""ByteTrack goes on with people who are less sure, down to 0.1, but begins to follow only from 0.1 more."""
LEAST_OVERLAP = 0.2
"""Intersection over union with the box that was foreseen, times score. At 0.1 the two in park.mp4 changed numbers over
a box that held both; a performer who is lost is joined again by `extraction.people.performers`."""
USUAL_RATE = 25.0
"""Frames per second where they have no times."""


def frame_rate(times: Sequence[float]) -> float:
    """Frames per second, as far as the times of the first frames, in seconds or NaN, tell."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    return 1 / usual if usual > 0 else USUAL_RATE  # NaN is not over 0


class Tracker:
    """Gives the people of one clip their numbers.

    ByteTrack itself reports somebody from the second frame on, and its own smoothed boxes. Here the numbers go to the
    detector's boxes, and from the first frame on.

    Args:
        frame_rate: frames per second.
    """

    def __init__(self, frame_rate: float = USUAL_RATE) -> None:
        # the class itself, behind what prints that the next release does without; requirements pin this one
        quiet: type[ByteTrack] = ByteTrack.__mro__[0]
        self._tracker = quiet(
            track_activation_threshold=FIRST_SCORE,
            lost_track_buffer=round(30 * LOST_SECONDS),  # counted at 30 frames per second
            minimum_matching_threshold=1 - LEAST_OVERLAP,
            frame_rate=frame_rate,
        )

    def update(self, people: People) -> npt.NDArray[np.int64]:
        """The next frame.

        Args:
            people: N people, N may be 0.

        Returns:
            [N], the number of each person in this clip, -1 where the person is too unsure to be followed.
        """
        self._tracker.update_with_tensors(np.concatenate([people.boxes, people.score[:, None]], axis=1))
        numbers = np.full(len(people.boxes), -1, np.int64)
        now = [track for track in self._tracker.tracked_tracks if track.frame_id == self._tracker.frame_id]
        if not now or not len(numbers):
            return numbers
        cost = 1 - box_iou_batch(people.boxes, np.stack([track.tlbr for track in now]).astype(np.float32))
        # a track keeps the score of the person it has just taken up, which tells people in one place apart
        cost += people.score[:, None] != np.array([track.score for track in now], np.float32)
        for person, track in linear_assignment(cost, 3.0)[0]:
            numbers[person] = now[track].internal_track_id
        return numbers
