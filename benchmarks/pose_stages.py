"""What each stage of an extraction takes, alone and together, and how long AQA-7 and FineDiving would take here.

`python -m benchmarks.pose_stages [--root ../shared/data/people] [--rounds 5]` prints tables. It needs the packages of
requirements.txt. Data: real photographs with annotated boxes; frames of a real video, made as small as AQA-7's. The
weights of HRNet-W32 and YOLOv5s are random, which changes no time, so HRNet's precision is forced, and its people are
those annotated while the detector runs for its time alone.
"""

import argparse
import multiprocessing
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks._table import print_table
from benchmarks.people import Photograph, photographs
from drawing.contact_sheet import StripBuilder
from extraction.detectors.ultralytics_yolo import UltralyticsDetector
from extraction.estimators.hrnet import HRNet
from extraction.ledger import Ledger
from extraction.people.clip_poses import ClipPoses, FailedClip
from extraction.pipeline import CHUNK, Pipeline
from extraction.reading.frames import read_frames
from extraction.reading.media import ClipMedia
from extraction.types import Detector, Floats, Frame, People, Weights
from poses.cache.keypoint_cache import Provenance

SMALL = (320, 240)  # of AQA-7's frames
FRAMES = {"AQA-7": 1106 * 103, "FineDiving": 312_000}
PHOTOGRAPHS, CLIP = 48, 103


class Annotated:
    """Knows where people are; a detector of the user's choice may run for its time alone."""

    name = "annotated"
    weights = Weights("annotated", None, "unknown")

    def __init__(self, boxes: dict[str, Floats], beside: Detector | None) -> None:
        self.boxes = boxes
        self.beside = beside

    def place(self, device: str) -> None:
        """See `Detector`."""
        if self.beside is not None:
            self.beside.place(device)

    def detect(self, clip_id: str, frames: Sequence[Frame]) -> list[People]:
        """See `Detector`."""
        if self.beside is not None:
            self.beside.detect(clip_id, frames)
        boxes = self.boxes[clip_id.split(" ")[0]]
        return [People(boxes, np.ones(len(boxes), np.float32)) for _ in frames]


def rate(count: int, work: Callable[[], object], rounds: int) -> float:
    """So many items a second, median of rounds."""
    work()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return count / statistics.median(times)


def copies(found: Iterable[Photograph], folder: Path, count: int) -> list[ClipMedia]:
    """So many photographs, each a file of its own."""
    media = []
    for number, one in enumerate(islice(cycle(found), count)):
        path = folder / f"{one.path.stem} {number}.jpg"
        shutil.copy(one.path, path)
        media.append(ClipMedia(path.stem, "photographs", (path,), (0,), None, folder))
    return media


def small_clip(video: Path, folder: Path) -> ClipMedia:
    """A clip as AQA-7 has them: 103 frames of 320 x 240 pixels, as JPEG files."""
    folder.mkdir()
    source = ClipMedia("video", "", (video,), None, 1, video.parent)
    files = []
    for frame in islice(read_frames(source), CLIP):
        path = folder / f"img_{frame.number + 1:05d}.jpg"
        cv2.imwrite(str(path), cv2.resize(frame.image, SMALL, interpolation=cv2.INTER_AREA)[..., ::-1])
        files.append(path)
    return ClipMedia("clip", "diving", tuple(files), tuple(range(1, len(files) + 1)), 1, folder)


def together(pipeline: Pipeline, media: Sequence[ClipMedia], folder: Path) -> None:
    """Extract clips into a new cache."""
    ledger = Ledger(Path(tempfile.mkdtemp(dir=folder)), Provenance("benchmark", settings="{}"))
    with ledger:
        for result in pipeline.run(ledger.claim(media), sketch=StripBuilder):
            assert isinstance(result, ClipPoses), result
            ledger.write(result)


def stages(found: Sequence[Photograph], media: Sequence[ClipMedia], folder: Path, rounds: int) -> list[list[str]]:
    """Rows of the table on photographs, in people per second."""
    boxes = {one.path.stem: one.boxes for one in found}
    images = {one.path.stem: one.image for one in found}
    names = [clip.clip_id.split(" ")[0] for clip in media]
    people = [(images[name], box) for name in names for box in boxes[name]]
    count = len(people)
    estimator = HRNet(weights="random", precision="bf16")
    estimator.place("cpu")
    yolo = UltralyticsDetector("yolov5su.yaml")
    yolo.place("cpu")
    crops = [estimator.crop(image, box) for image, box in people]
    batches = [crops[start : start + estimator.batch] for start in range(0, count, estimator.batch)]
    pixels = [np.stack([crop.pixels for crop in batch]) for batch in batches]
    said = [estimator.network(batch) for batch in pixels]
    poses = list(Pipeline(Annotated(boxes, None), estimator).run(media, sketch=StripBuilder))
    frames = [[Frame(0, 0.0, images[name])] for name in names]
    scratch = Ledger(folder / "scratch", Provenance("benchmark", settings="{}"))

    def write() -> None:
        for result in poses:
            assert not isinstance(result, FailedClip)
            renamed = replace(result.media, clip_id=f"{result.media.clip_id} {time.perf_counter_ns()}")
            (claimed,) = scratch.claim([renamed])
            scratch.write(replace(result, media=claimed))

    alone = {
        "decode JPEG": lambda: [list(read_frames(clip)) for clip in media],
        "detector, YOLOv5s at 640": lambda: [yolo.detect("", frame) for frame in frames],
        "crop": lambda: [estimator.crop(image, box) for image, box in people],
        "network, HRNet-W32 bf16": lambda: [estimator.network(batch) for batch in pixels],
        "post-processing": lambda: [estimator.decode(raw, batch) for batch, raw in zip(batches, said, strict=True)],
        "write clip, record and picture": write,
    }
    rates = {name: rate(count, work, rounds) for name, work in alone.items()}
    rows = [[name, f"{value:,.0f}", f"{1000 / value:.2f}", ""] for name, value in rates.items()]
    for name, beside in (("together, boxes given", None), ("together, with the detector", yolo)):
        pipeline = Pipeline(Annotated(boxes, beside), estimator)
        value = rate(count, lambda pipeline=pipeline: together(pipeline, media, folder), rounds)  # type: ignore[misc]
        counted = [other for stage, other in rates.items() if beside is not None or "detector" not in stage]
        rows.append([name, f"{value:,.0f}", f"{1000 / value:.2f}", f"{value / min(counted):.2f}"])
    return rows


def hours(clip: ClipMedia, folder: Path, rounds: int) -> list[list[str]]:
    """Rows of the table of data sets: frames per second of whole extractions, one performer a frame."""
    boxes = {"clip": np.array([(110, 30, 200, 220)], np.float32)}
    estimator = HRNet(weights="random", precision="bf16")
    rows = []
    for size in (640, 320):
        pipeline = Pipeline(Annotated(boxes, UltralyticsDetector("yolov5su.yaml", image_size=size)), estimator)
        pipeline.place("cpu")
        clips = [replace(clip, clip_id=f"clip {number}") for number in range(2)]
        value = rate(2 * CLIP, lambda: together(pipeline, clips, folder), rounds)  # noqa: B023  (called at once)
        rows.append(
            [f"YOLOv5s at {size}", f"{value:.0f}", *(f"{frames / value / 3600:.1f} h" for frames in FRAMES.values())]
        )
    return rows


def peak(root: Path, count: int, answer: "multiprocessing.Queue[float]") -> None:
    """Megabytes that a process takes at the most to extract so many photographs."""
    found = photographs(root)
    with tempfile.TemporaryDirectory() as folder:
        estimator = HRNet(weights="random", precision="bf16")
        estimator.place("cpu")
        boxes = {one.path.stem: one.boxes for one in found}
        together(Pipeline(Annotated(boxes, None), estimator), copies(found, Path(folder), count), Path(folder))
    answer.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("../shared/data/people"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = photographs(options.root)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        media = copies(found, folder, PHOTOGRAPHS)
        people = sum(len(found[i % len(found)].boxes) for i in range(PHOTOGRAPHS))
        print_table(
            f"Stages on {PHOTOGRAPHS} real photographs with {people} people, chunks of {CHUNK} frames, random weights, "
            f"medians of {options.rounds} rounds",
            ["stage", "people/s", "ms a person", "share of the slowest stage"],
            stages(found, media, folder, options.rounds),
        )
        clip = small_clip(options.root / "park.mp4", folder / "frames")
        print_table(
            "Whole extractions of clips as AQA-7 has them (103 JPEG frames of 320x240, one person a frame)",
            ["detector", "frames/s", *(f"{name}, {count:,} frames" for name, count in FRAMES.items())],
            hours(clip, folder, options.rounds),
        )
    rows = []
    for count in (50, 200, 400):
        context = multiprocessing.get_context("spawn")
        answer: multiprocessing.Queue[float] = context.Queue()
        process = context.Process(target=peak, args=(options.root, count, answer))
        process.start()
        rows.append([str(count), f"{answer.get():,.0f}"])
        process.join()
    print_table("Memory does not grow with the number of clips", ["photographs", "peak, MB"], rows)


if __name__ == "__main__":
    main()
