"""What may be unfair in a comparison of clips, in sentences."""

from collections import Counter
from typing import Final

import numpy as np
import torch

from errors import counted
from feedback.embedded_clips import LEAST_JOINTS, Fit, usable
from feedback.subjects import Subject
from feedback.views import clearly_differ, views
from poses.skeleton import JOINTS, flip
from run_folder.trained_model import TrainedModel

OFTEN: Final = 0.5
"""A joint that is missing in more of the frames than this is named, and so are cameras that differ in more of them."""


def about_frames(subject: Subject, model: TrainedModel) -> list[str]:
    """Frames that are left out, and joints that are mostly missing."""
    lines, of = [], counted(len(subject.xy), "frame")
    there = usable(subject, model)
    present = model.present(subject.xy, subject.confidence)
    nobody, few = int((~present.any(-1)).sum()), int((present.any(-1) & ~there).sum())
    if nobody:
        ends = np.flatnonzero(np.diff(np.concatenate([[1], present.any(-1), [1]])))
        lines.append(
            f"{subject.name}: {nobody} of {of} without a pose left out, at most "
            f"{int(np.diff(ends)[::2].max())} in a row"
        )
    if few:
        lines.append(f"{subject.name}: {few} of {of} with fewer than {LEAST_JOINTS} joints left out")
    if there.any():
        share = 1 - present[there].mean(0)
        names = [f"{JOINTS[joint].replace('_', ' ')} ({share[joint]:.0%})" for joint in np.flatnonzero(share > OFTEN)]
        if names:
            lines.append(
                f"{subject.name}: missing in most frames, and filled in from their neighbours: {', '.join(names)}"
            )
    return lines


def about_views(fit: Fit) -> list[str]:
    """Whether the cameras see the two bodies from clearly different sides in most of the matched poses."""
    attempt = torch.from_numpy(fit.attempt.subject.xy[fit.path[:, 1]])
    if fit.attempt.mirrored:
        attempt, _ = flip(attempt, None)
    seen = views(torch.from_numpy(fit.reference.subject.xy[fit.path[:, 0]])), views(attempt)
    share = float(clearly_differ(*seen).double().mean())
    if share <= OFTEN:
        return []
    reference, own = (Counter(map(one.name, range(len(one.turn)))).most_common(1)[0][0] for one in seen)
    return [
        f"the cameras see the body from clearly different sides in {share:.0%} of the matched poses (mostly "
        f"{fit.reference.subject.name} from {reference}, {fit.attempt.subject.name} from {own}): angles in a picture "
        "are projections, so trust the score less"
    ]
