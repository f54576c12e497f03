"""Fine-tunes a detector of ultralytics to persons. Import it after `ultralytics_setup.set_up()`."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
import ultralytics.data.dataset
from ultralytics.models.yolo.detect import DetectionTrainer

from errors import InputError
from extraction.detectors.ultralytics_setup import place_font
from extraction.weights.ultralytics_weights import PERSON, Detector, read
from files import write_atomically


class Epoch(NamedTuple):
    """What is known after an epoch: its number from 1, of how many, and mAP at an overlap of 0.5, from 0 to 1."""

    number: int
    epochs: int
    map50: float


class Training(NamedTuple):
    """What to train.

    Attributes:
        data: dataset in ultralytics' format, checked, paths absolute.
        person: number of the class that is kept.
        output: folder of the run.
        epochs: how many.
        image_size: longer side of the images in pixels.
        batch: images a step.
    """

    data: Path
    person: int
    output: Path
    epochs: int
    image_size: int
    batch: int


def last_checkpoint(output: Path) -> Path:
    """Where a run that was interrupted can go on."""
    return output / "weights" / "last.pt"


def train(
    training: Training,
    start: Detector | None,
    step_done: Callable[[int, int], None],
    epoch_done: Callable[[Epoch], None],
) -> float:
    """Train, or go on with an interrupted run of the same output folder.

    Args:
        training: what to train.
        start: network to begin with; None goes on with `last_checkpoint`.
        step_done: told after every step its number in the run, from 1, and how many there will be.
        epoch_done: told after every epoch.

    Returns:
        mAP at an overlap of 0.5 on the validation part, of the best epoch's weights, which are in `weights/best.pt`.

    Raises:
        InputError: a file of the dataset or a checkpoint is wrong.
    """
    last = last_checkpoint(training.output)
    if start is None:
        for checkpoint in (last, last.with_name("best.pt")):  # ultralytics reads them with less care
            if checkpoint.exists():
                read(checkpoint)
    place_font()
    allowed = torch.serialization.get_safe_globals()
    try:
        with _no_label_caches():
            trainer = _PersonTrainer(overrides=_options(training, None if start is None else start.weights.name))
            if start is not None:
                trainer.model = trainer.get_model(cfg=start.module.yaml, weights=start.module, verbose=False)
            _tell(trainer, step_done, epoch_done)
            trainer.train()
    finally:
        torch.serialization.clear_safe_globals()  # ultralytics never takes back what it allows
        torch.serialization.add_safe_globals(allowed)
    return _map50(trainer)


def _tell(trainer: Any, step_done: Callable[[int, int], None], epoch_done: Callable[[Epoch], None]) -> None:
    steps, fitted = 0, -1

    def after_step(trainer: Any) -> None:
        nonlocal steps
        steps += 1
        length = len(trainer.train_loader)
        step_done(trainer.start_epoch * length + steps, trainer.epochs * length)

    def after_epoch(trainer: Any) -> None:
        nonlocal fitted
        if fitted < trainer.epoch < trainer.epochs:  # the evaluation at the end calls once more
            fitted = trainer.epoch
            epoch_done(Epoch(trainer.epoch + 1, trainer.epochs, _map50(trainer)))

    trainer.add_callback("on_train_batch_end", after_step)
    trainer.add_callback("on_fit_epoch_end", after_epoch)


def keep(weights: Path, target: Path) -> None:
    """Copy weights, checked, so that the copy is there whole or not at all.

    Raises:
        InputError: they cannot be copied, or are not those of a detector of persons.
    """
    if read(weights).names != {0: PERSON}:
        raise InputError(f"{weights}: is no detector of persons alone; train it again")
    try:
        write_atomically(target, weights.read_bytes())
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); the weights are in {weights}") from error


def _options(training: Training, weights: str | None) -> dict[str, Any]:
    last = str(last_checkpoint(training.output))
    gpu = torch.cuda.is_available()
    return {
        "mode": "train",
        "task": "detect",
        "model": weights or last,
        "resume": False if weights else last,
        "data": str(training.data),
        "epochs": training.epochs,
        "imgsz": training.image_size,
        "batch": training.batch,
        "single_cls": True,
        "classes": [training.person],
        "save_dir": str(training.output),
        "exist_ok": True,
        "device": "0" if gpu else "cpu",
        # half precision is otherwise tried out on a network that is downloaded for that
        "amp": "bf16" if gpu and torch.cuda.is_bf16_supported() else False,
        "plots": False,
        "verbose": False,
    }


class _PersonTrainer(DetectionTrainer):  # type: ignore[misc]  # ultralytics has no types here
    """Names the one class `person`, where ultralytics would name it `item`."""

    def get_dataset(self) -> dict[str, Any]:
        data: dict[str, Any] = super().get_dataset()
        data["names"] = {0: PERSON}
        return data

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
        try:
            dataset = super().build_dataset(img_path, mode, batch)
        except Exception as error:  # an arbitrary dataset fails in arbitrary ways
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{img_path}: cannot be used for training ({reason:.200})") from error
        if not any(len(label["cls"]) for label in dataset.labels):
            raise InputError(
                f"{img_path}: no box of a person in its labels (class {self.args.classes[0]} of the data file); labels "
                "are looked for in the folder labels beside images"
            )
        return dataset


@contextlib.contextmanager
def _no_label_caches() -> Iterator[None]:
    """Ultralytics keeps the labels it read in a pickle beside them, and believes one that it finds there."""

    def absent(path: Path) -> None:
        raise FileNotFoundError(path)

    def passed_over(prefix: str, path: Path, labels: dict[str, Any], version: str) -> None:
        labels["version"] = version

    module = ultralytics.data.dataset
    with (
        patch.object(module, "load_dataset_cache_file", absent),
        patch.object(module, "save_dataset_cache_file", passed_over),
    ):
        yield


def _map50(trainer: Any) -> float:
    return float((trainer.metrics or {}).get("metrics/mAP50(B)", 0.0))
