"""What looking at people turned (`pose.turn_below`) gains and costs where bodies are not upright.

`python -m benchmarks.upside_down [--root ../shared/data/people] [--rounds 5]` prints two tables. Data: photographs of
MPII and COCO with annotated people, as they are and turned clockwise by 90, 180 and 270 degrees with their boxes, and
one of acrobats. Boxes are those annotated; the estimator is BlazePose with its published weights. Errors are those of
the shoulders, elbows, wrists, hips, knees and ankles that are annotated.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from benchmarks._table import print_table
from benchmarks.people import Person, Points, annotated, turned, turned_box, turned_points
from extraction.detectors.given_boxes import COLUMNS, GivenBoxes
from extraction.estimators.blazepose_estimator import BlazePoseEstimator
from extraction.people.clip_poses import ClipPoses
from extraction.pipeline import Pipeline
from extraction.reading.media import ClipMedia
from extraction.types import Floats
from poses.skeleton import JOINTS, KEYPOINTS

THRESHOLDS = (0.0, 0.5, 0.7, 0.9, 1.0)
NEAR = 0.1  # of the longer side of the box
CHANGED = 0.02
SHARED = set(JOINTS) & set(KEYPOINTS["blazepose33"])  # points that annotators and BlazePose name alike


class View(NamedTuple):
    """An annotated person in a photograph that has been turned.

    Attributes:
        clip: name of the photograph's clip.
        box: [4] pixels.
        rows: which of the 15 joints are annotated.
        joints: [J, 2] pixels, where they are.
    """

    clip: str
    box: Floats
    rows: list[int]
    joints: Points


class Answers(NamedTuple):
    """What a run said of N views; NaN where it saw nobody.

    Attributes:
        errors: distances [J] of each view's joints, as shares of the longer side of the box.
        confidence: [N] mean over the 15 joints.
        looks: how often the network looked.
        seconds: how long it took, files to keypoints.
    """

    errors: list[Points]
    confidence: Points
    looks: int
    seconds: float


def kind_of(people: Sequence[Person], turns: int, folder: Path) -> tuple[list[ClipMedia], list[View]]:
    """Writes turned photographs, quick to read so that the time is that of the looks; and who is in them."""
    folder.mkdir()
    media, views = {}, []
    for person in people:
        path = folder / f"{person.path.stem}.bmp"
        if path not in media:
            Pillow.fromarray(turned(person.image, turns)).save(path)
            media[path] = ClipMedia(path.stem, "photographs", (path,), (0,), None, folder)
        named = [i for i, name in enumerate(person.names) if name in SHARED]
        joints = turned_points(person.joints[named], person.image, turns)
        rows = [JOINTS.index(person.names[i]) for i in named]
        views.append(View(path.stem, turned_box(person.box, person.image, turns), rows, joints))
    with (folder / "boxes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows([view.clip, 0, *view.box.tolist()] for view in views)
    return list(media.values()), views


def run(pipeline: Pipeline, media: Sequence[ClipMedia], views: Sequence[View]) -> Answers:
    """Poses of the photographs against the annotations."""
    looks: list[int] = []
    begin = time.perf_counter()
    results = list(pipeline.run(media, looked=looks.append))
    seconds = time.perf_counter() - begin
    clips = {found.media.clip_id: found for found in results if isinstance(found, ClipPoses)}
    errors, confidence = [], np.full(len(views), np.nan)
    for i, view in enumerate(views):
        distances = np.full(len(view.rows), np.nan)
        found = clips.get(view.clip)
        if found is not None and (same := np.abs(found.boxes[:, 0] - view.box).max(axis=1) < 0.01).any():
            p = int(same.argmax())
            distances = np.linalg.norm(found.xy[p, 0, view.rows] - view.joints, axis=1)
            distances /= (view.box[2:] - view.box[:2]).max()
            confidence[i] = found.confidence[p, 0].mean()
        errors.append(distances)
    return Answers(errors, confidence, sum(looks), seconds)


def changes(before: Answers, after: Answers) -> tuple[int, int]:
    """How many views got better and worse; a first answer is better if it is near, else worse."""
    better = worse = 0
    for old, new in zip(before.errors, after.errors, strict=True):
        was, now = float(old.mean()), float(new.mean())
        if np.isnan(was):
            better += now <= NEAR
            worse += now > NEAR
        else:
            better += now < was - CHANGED
            worse += now > was + CHANGED
    return better, worse


def gains(views: Sequence[View], rounds: Sequence[Sequence[Answers]]) -> list[list[str]]:
    """Rows of a kind, one a threshold; rounds of answers, one a threshold each, of which the first is off."""
    rows = []
    for i, threshold in enumerate(THRESHOLDS):
        answers = rounds[0][i]
        joints = np.concatenate(answers.errors)
        found = joints[np.isfinite(joints)]
        better, worse = changes(rounds[0][0], answers)
        ratio = statistics.median(answered[i].seconds / answered[0].seconds for answered in rounds)
        rows.append(
            [
                f"{threshold:g}" if threshold else "off",
                f"{np.isfinite(answers.confidence).sum()} of {len(views)}",
                *(f"{100 * value:.1f} %" if len(found) else "-" for value in (np.mean(found), np.median(found))),
                f"{(found <= NEAR).sum()} of {len(joints)} ({(found <= NEAR).sum() / len(joints):.0%})",
                f"{better} / {worse}",
                f"{answers.looks / len(views):.1f}",
                f"{ratio:.1f}",
            ]
        )
    return rows


def sureness(off: Answers) -> list[str]:
    """How sure the answers without turning are, by whether they are right."""
    mean = np.array([errors.mean() for errors in off.errors])

    def spread(rows: npt.NDArray[np.bool_]) -> str:
        values = off.confidence[rows]
        return f"{len(values)}: {values.min():.2f} - {values.max():.2f}" if len(values) else "0"

    return [str(np.isnan(mean).sum()), spread(mean <= NEAR), spread(mean > NEAR)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("../shared/data/people"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    others = [*annotated(options.root, "mpii"), *annotated(options.root, "coco")]
    kinds = {f"turned by {90 * turns}" if turns else "upright": (others, turns) for turns in range(4)}
    kinds["acrobats"] = (annotated(options.root, "humanart"), 0)
    estimator = BlazePoseEstimator()
    gained, sure = [], []
    with tempfile.TemporaryDirectory() as name:
        for kind, (people, turns) in kinds.items():
            folder = Path(name) / kind
            media, views = kind_of(people, turns, folder)
            detector = GivenBoxes(str(folder / "boxes.csv"))
            pipelines = [Pipeline(detector, estimator, turn_below=threshold) for threshold in THRESHOLDS]
            run(pipelines[0], media, views)  # the first run is slow
            rounds = [[run(one, media, views) for one in pipelines] for _ in range(options.rounds)]
            gained += [[kind, *row] for row in gains(views, rounds)]
            sure.append([kind, *sureness(rounds[0][0])])
    print_table(
        "Bodies upside down: BlazePose on annotated boxes (HRNet is left out: its real weights are not here); errors "
        f"as shares of the box's longer side, times are medians of {options.rounds} rounds",
        [
            "photographs",
            "turn_below",
            "people with an answer",
            "mean error of their joints",
            "median",
            f"joints within {NEAR:.0%} of the box",
            "better / worse",
            "looks a person",
            "time / off",
        ],
        gained,
    )
    print_table(
        "Mean confidence with turn_below off: how many people, lowest and highest",
        ["photographs", "without an answer", f"mean error up to {NEAR:.0%}", "more"],
        sure,
    )


if __name__ == "__main__":
    main()
