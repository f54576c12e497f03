"""How far off an estimator's joints are: what `poses.perturbations.EstimatorNoise` is made from.

`python -m benchmarks.estimator_noise [--root ../shared/data/people]` prints two tables and the constants. Data: the
annotated people in photographs of COCO and MPII, and apart from them two acrobats of Human-Art. Boxes are those
annotated; the estimator is BlazePose with its published weights. Errors are in torso lengths of the annotated pose.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks._table import print_table
from benchmarks.people import Person, Points, annotated
from benchmarks.upside_down import kind_of
from extraction.detectors.given_boxes import GivenBoxes
from extraction.estimators.blazepose_estimator import BlazePoseEstimator
from extraction.people.clip_poses import ClipPoses
from extraction.pipeline import Pipeline
from poses.normalisation import Normalisation
from poses.perturbations import NECK, PAIRS, PELVIS, joint_kind
from poses.skeleton import JOINTS, KEYPOINTS, convert

LAYOUTS = {"coco": "coco17", "humanart": "coco17", "mpii": "mpii16"}
FACE = 3  # points of COCO's five that must be annotated: an ear alone is no middle of the head


class Answer(NamedTuple):
    """A person: `truth` [15, 2] pixels, NaN where not annotated; `said` the same, and how sure the estimator is [15].

    `said` is None where it saw nobody.
    """

    truth: Points
    said: Points | None
    confidence: Points

    @property
    def torso(self) -> float:
        """Length of the annotated torso, in pixels."""
        return float(np.linalg.norm(self.truth[NECK] - self.truth[PELVIS]))

    @property
    def errors(self) -> Points:
        """Distances [15] in torso lengths."""
        said = np.full_like(self.truth, np.nan) if self.said is None else self.said
        errors: Points = np.linalg.norm(said - self.truth, axis=-1) / self.torso
        return errors


def truth_of(person: Person, source: str) -> Points:
    """The 15 joints [15, 2] as they were annotated; NaN where they were not."""
    layout = LAYOUTS[source]
    names = KEYPOINTS[layout]  # type: ignore[index]  # mypy does not see that it is one of the layouts
    points = np.full((len(names), 2), np.nan)
    for name, point in zip(person.names, person.joints, strict=True):
        points[names.index(name)] = point
    joints, _ = convert(points, None, layout)  # type: ignore[arg-type]
    if layout == "coco17" and np.isfinite(points[:5, 0]).sum() < FACE:
        joints[JOINTS.index("head")] = np.nan
    return joints


def answers(root: Path, source: str, folder: Path) -> Iterator[Answer]:
    """What the estimator says of the people of a source."""
    people = annotated(root, source)
    media, views = kind_of(people, 0, folder / source)
    pipeline = Pipeline(GivenBoxes(str(folder / source / "boxes.csv")), BlazePoseEstimator())
    clips = {found.media.clip_id: found for found in pipeline.run(media) if isinstance(found, ClipPoses)}
    for person, view in zip(people, views, strict=True):
        said, confidence = None, np.zeros(len(JOINTS))
        found = clips.get(view.clip)
        if found is not None and (same := np.abs(found.boxes[:, 0] - view.box).max(axis=1) < 0.01).any():
            p = int(same.argmax())
            said, confidence = found.xy[p, 0].astype(np.float64), found.confidence[p, 0].astype(np.float64)
        yield Answer(truth_of(person, source), said, confidence)


def exchanged(answer: Answer) -> tuple[int, int]:
    """How many left and right joints were taken for each other, and of how many pairs."""
    assert answer.said is not None
    swaps = pairs = 0
    for left, right in PAIRS:
        as_named = np.linalg.norm(answer.said[[left, right]] - answer.truth[[left, right]], axis=-1).sum()
        crosswise = np.linalg.norm(answer.said[[right, left]] - answer.truth[[left, right]], axis=-1).sum()
        if np.isfinite(as_named):
            pairs += 1
            swaps += bool(crosswise < as_named)
    return swaps, pairs


def by_kind(people: Sequence[Answer]) -> dict[str, tuple[Points, int]]:
    """By kind of joint: errors of the joints that the estimator is sure enough of, and how many it is not."""
    least = Normalisation().min_confidence
    table: dict[str, tuple[Points, int]] = {}
    for kind in dict.fromkeys(map(joint_kind, JOINTS)):
        rows = [j for j, name in enumerate(JOINTS) if joint_kind(name) == kind]
        errors = np.concatenate([answer.errors[rows] for answer in people])
        sure = np.concatenate([answer.confidence[rows] for answer in people]) >= least
        known = np.isfinite(errors)
        table[kind] = errors[known & sure], int((known & ~sure).sum())
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("../shared/data/people"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        upright = [one for source in ("coco", "mpii") for one in answers(options.root, source, Path(name))]
        acrobats = list(answers(options.root, "humanart", Path(name)))
    seen = [one for one in upright if one.said is not None]
    table = by_kind(seen)
    relative = np.concatenate([errors / np.median(errors) for errors, _ in table.values()])
    swaps, pairs = np.sum([exchanged(one) for one in seen], axis=0).tolist()
    print_table(
        f"BlazePose on {len(upright)} annotated people of COCO and MPII, {len(seen)} answered; errors in torso lengths",
        ["joint", "sure enough", "median", "90 %", "largest", "not sure"],
        [
            [kind, str(len(errors)), *(f"{np.quantile(errors, q):.3f}" for q in (0.5, 0.9, 1)), str(unsure)]
            for kind, (errors, unsure) in table.items()
        ],
    )
    levels = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    print_table(
        "Errors over the median of their kind, and quantiles sqrt(q / (1 - q)) of the noise",
        ["", *(f"{100 * q:g} %" for q in levels)],
        [
            ["measured", *(f"{np.quantile(relative, q):.2f}" for q in levels)],
            ["noise", *(f"{np.sqrt(q / (1 - q)):.2f}" for q in levels)],
        ],
    )
    extents = [
        one.torso / float(np.nanmax(np.nanmax(one.truth, axis=0) - np.nanmin(one.truth, axis=0)))
        for one in (*upright, *acrobats)
    ]
    total = sum(len(errors) + unsure for errors, unsure in table.values())
    print(f"\nleft and right taken for each other: {swaps} of {pairs} pairs")
    print(f"not sure enough of: {sum(unsure for _, unsure in table.values())} of {total} joints")
    print(f"largest error: {max(errors.max() for errors, _ in table.values()):.2f} torso lengths")
    print(f"torso length over longer extent: median {np.median(extents):.2f} of {len(extents)} people")
    print(
        "acrobats, mean error: "
        + ", ".join(f"{np.nanmean(a.errors):.2f}" if a.said is not None else "no answer" for a in acrobats)
    )


if __name__ == "__main__":
    main()
