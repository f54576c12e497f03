"""`python run.py train-detector --data DATASET.yaml`: fine-tunes a detector of ultralytics to the one class person."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from commands import OptionParser
from errors import InputError
from extraction.detectors.ultralytics_setup import set_up
from files import write_atomically
from settings import read_yaml

WEIGHTS: Final = "person.pt"
LAYOUT: Final = "a data file of ultralytics has path, train, val and names"


def run(arguments: Sequence[str]) -> int:
    """Fine-tune the detector."""
    parser = OptionParser(
        prog="run.py train-detector",
        description="Fine-tune a detector of ultralytics (AGPL-3.0) to the one class person. Of a dataset with more "
        "classes only the boxes of person are used. The weights go into the pipeline with --config yolov5.yaml "
        f"--pose.detector.init_args.weights runs/detector/{WEIGHTS}.",
    )
    parser.add_argument("--data", required=True, type=Path, help="the dataset's YAML, in ultralytics' format")
    parser.add_argument("--weights", default="yolov5su.pt", help="what to begin with (default: yolov5su.pt)")
    parser.add_argument("--output", type=Path, default=Path("runs/detector"), help="folder (default: runs/detector)")
    parser.add_argument("--epochs", type=int, default=100, help="(default: 100)")
    parser.add_argument("--image-size", type=int, default=640, help="longer side in pixels (default: 640)")
    parser.add_argument("--batch", type=int, default=16, help="images a step (default: 16)")
    parser.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run in --output, with the options it had"
    )
    options = parser.parse_args(arguments[1:])
    if options.epochs < 1 or options.batch < 1 or options.image_size < 32 or options.image_size % 32:
        raise InputError("train-detector: --epochs and --batch are at least 1, --image-size is a multiple of 32")
    set_up()
    dataset, person = check_dataset(options.data)
    output: Path = options.output.absolute()
    _check_output(output, options.resume)

    from extraction.detectors.ultralytics_training import Epoch, Training, keep, train
    from extraction.weights.ultralytics_weights import load

    start = None if options.resume else load(options.weights)
    data = output / "data.yaml"
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_atomically(data, yaml.safe_dump(dataset))
    except OSError as error:
        raise InputError(f"{output}: cannot be written to ({error.strerror}); give another --output") from error
    if len(dataset["names"]) > 1:
        print(f"{options.data}: of its {len(dataset['names'])} classes, {dataset['names'][person]} is used")
    bar = Progress(
        TextColumn("step"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), disable=not os.isatty(1)
    )
    task = bar.add_task("")

    def step_done(step: int, steps: int) -> None:
        bar.update(task, completed=step, total=steps)

    def epoch_done(epoch: Epoch) -> None:
        bar.print(f"epoch {epoch.number} of {epoch.epochs}: mAP50 {epoch.map50:.3f}", highlight=False)

    training = Training(data, person, output, options.epochs, options.image_size, options.batch)
    with bar:
        map50 = train(training, start, step_done, epoch_done)
    keep(output / "weights" / "best.pt", output / WEIGHTS)
    print(f"mAP50 {map50:.3f} on the validation part; weights: {options.output / WEIGHTS}")
    return 0


def check_dataset(path: Path) -> tuple[dict[str, Any], int]:
    """What ultralytics is told of a dataset: absolute paths, and nothing that it would run or download.

    Args:
        path: of the dataset's YAML.

    Returns:
        The content of a data file, and the number of the class of people.

    Raises:
        InputError: the file is wrong, a folder is missing, or there is no class person.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no mapping; {LAYOUT}")
    names = content.get("names")
    numbered = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(numbered, dict) or sorted(map(repr, numbered)) != sorted(map(repr, range(len(numbered)))):
        raise InputError(f"{path}: names is no list of classes; {LAYOUT}")
    people = [number for number, name in numbered.items() if str(name).strip().lower() == "person"]
    if len(people) != 1:
        raise InputError(f"{path}: one class must be named person, its classes are {list(numbered.values())!s:.100}")
    root = _root(path, content.get("path"))
    checked: dict[str, Any] = {"names": {number: str(name) for number, name in numbered.items()}}
    for part in ("train", "val"):
        given = content.get(part)
        listed = given if isinstance(given, list) else [given]
        places = [place for place in listed if isinstance(place, str) and place]
        if not places or len(places) < len(listed):
            raise InputError(f"{path}: {part} names no folder of images; {LAYOUT}")
        found = [str(_place(path, root, place, part)) for place in places]
        checked[part] = found if len(found) > 1 else found[0]
    return checked, people[0]


def _root(path: Path, given: Any) -> Path:
    if given is None:
        return path.parent.absolute()
    if not isinstance(given, str):
        raise InputError(f"{path}: path is no folder; {LAYOUT}")
    for root in (path.parent / given, Path(given)):
        if root.is_dir():
            return root.absolute()
    raise InputError(f"{path}: there is no folder {given}, its path; give it relative to the data file")


def _place(path: Path, root: Path, given: str, part: str) -> Path:
    for place in (root / given, root / given.removeprefix("../")):  # some data files count from one folder deeper
        if place.exists():
            return place.resolve()
    raise InputError(f"{path}: {part} is {given}, but there is no {root / given}; correct the data file")


def _check_output(output: Path, resume: bool) -> None:
    last = output / "weights" / "last.pt"
    if (output / WEIGHTS).exists():
        raise InputError(f"{output}: holds a finished run; give another --output")
    if resume and not last.is_file():
        raise InputError(f"{output}: holds no run that can be resumed; leave --resume out")
    if not resume and last.exists():
        raise InputError(f"{output}: holds an interrupted run; go on with --resume, or give another --output")
