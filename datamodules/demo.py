"""The embedded demonstration data: synthetic performances, generated on the spot."""

import io
import json
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from scipy.io import savemat

from datamodules.base import PoseDataModule
from datamodules.labels import ClipLabel
from datamodules.matlab_lists import read_list
from datamodules.synthetic_motion.synthetic import (
    CLIPS_PER_PERFORMER_AND_ACTION,
    GENERATOR_VERSION,
    TEST_EVERY,
    clip_id_of,
    in_test,
    outline,
    write_performance,
)
from datamodules.synthetic_motion.synthetic_actions import ACTIONS
from errors import InputError
from poses.cache.clip_files import write_file
from poses.cache.keypoint_cache import clip_path, list_clips

PARTS: tuple[Literal["train", "test"], ...] = ("train", "test")
RECORD = "demo.json"
FEWEST_CLIPS = (TEST_EVERY + 1) * len(ACTIONS) * CLIPS_PER_PERFORMER_AND_ACTION


class Demo(PoseDataModule):
    """Synthetic performances of six actions, one of them by two performers; no real person, no real score.

    The data are generated when they are first needed (see `datamodules.synthetic_motion.synthetic`). Files:

    - `<root>/keypoints/`: the keypoint cache, `squat_001.parquet`, ...; the provenance says "synthetic".
    - `<root>/Split_4/split_4_train_list.mat` and `split_4_test_list.mat`: lists in the format of AQA-7 (columns class,
      clip number, score), classes numbered from 1 in the order of `synthetic_actions.ACTIONS`.
    - `<root>/demo.json`: what the files were generated from. With another generator or `generator_seed` everything is
      made anew; with another number of clips only what is missing, for the first clips of a larger set are those of a
      smaller one.

    A performer has two clips of every action; the clips of every third performer are the test part.

    Args:
        root: folder of the data.
        clips: number of clips, at least 48.
        generator_seed: seed of the data; not the seed of training, so that runs with several seeds share them.
        kwargs: see `PoseDataModule`.

    Raises:
        InputError: too few clips.
    """

    headline: ClassVar[Literal["fisher", "pooled"]] = "fisher"
    synthetic: ClassVar[bool] = True
    how_to_get: ClassVar[str] = "The demo generates its data: python run.py fit --config demo.yaml"

    def __init__(self, root: str = "data/demo", clips: int = 300, generator_seed: int = 0, **kwargs: Any) -> None:
        super().__init__(cache=str(Path(root) / "keypoints"), **kwargs)
        if clips < FEWEST_CLIPS:
            raise InputError(
                f"clips: the demo needs at least {FEWEST_CLIPS} to have performers to train, validate and test on, got "
                f"{clips}"
            )
        if generator_seed < 0:
            raise InputError(f"generator_seed must not be negative, got {generator_seed}")
        self.root = Path(root)
        self.number_of_clips = clips
        self.generator_seed = generator_seed

    def prepare_data(self) -> None:
        """Generate what is missing or was generated from something else; an interrupted run is taken up again.

        Raises:
            InputError: the folder holds keypoints of another origin, or cannot be written.
        """
        made_from = {"generator": GENERATOR_VERSION, "generator_seed": self.generator_seed}
        complete = made_from | {"clips": self.number_of_clips}
        record = self._record()
        there = set(list_clips(self.cache)) if self.cache.is_dir() else set()
        if any(record.get(name) != value for name, value in made_from.items()):
            self._clear(there, record)
            there = set()
        if record != complete:
            self._write_record(made_from)  # until everything is there
        missing = [index for index in range(self.number_of_clips) if clip_id_of(index) not in there]
        if missing:
            rank_zero_info(f"{self.root}: generating {len(missing)} synthetic clips (seed {self.generator_seed}).")
        for index in missing:
            write_performance(self.cache, self.generator_seed, index)
        if record != complete or not all(path.is_file() for path in self._lists()):
            self._write_lists()
            self._write_record(complete)

    def labels(self) -> list[ClipLabel]:
        """The rows of the two lists, with performer and phases."""
        rows: dict[int, tuple[Literal["train", "test"], float]] = {}
        for part, path in zip(PARTS, self._lists(), strict=True):
            for action, number, score in _read_list(path, f"consolidated_{part}_list").tolist():
                rows[round((number - 1) * len(ACTIONS) + action - 1)] = (part, score)
        if set(rows) != set(range(self.number_of_clips)):
            raise InputError(
                f"{self.root}: its lists are not those of {self.number_of_clips} demo clips; start again, and give "
                "runs with other numbers of clips another root"
            )
        labels = []
        for index, (part, score) in rows.items():
            plan = outline(self.generator_seed, index)
            group = f"performer_{plan.performer:03d}"
            labels.append(ClipLabel(clip_id_of(index), plan.action.name, score, part, group=group, phases=plan.phases))
        return labels

    def known_extra(self, clip_id: str) -> bool:
        """Clips of a larger set, generated before."""
        return _is_generated(clip_id)

    def _lists(self) -> list[Path]:
        return [self.root / "Split_4" / f"split_4_{part}_list.mat" for part in PARTS]

    def _write_lists(self) -> None:
        indices = np.arange(self.number_of_clips)
        scores = [outline(self.generator_seed, index).score for index in indices.tolist()]
        rows = np.stack([indices % len(ACTIONS) + 1, indices // len(ACTIONS) + 1, scores], axis=1)
        test = np.array([in_test(index) for index in indices.tolist()])
        for part, path, chosen in zip(PARTS, self._lists(), (rows[~test], rows[test]), strict=True):
            content = io.BytesIO()
            # the stubs know of no file object
            savemat(content, {f"consolidated_{part}_list": chosen})  # type: ignore[arg-type]
            write_file(path, content.getvalue())

    def _record(self) -> dict[str, Any]:
        """What the files were generated from; empty if there is no record."""
        path = self.root / RECORD
        if not path.exists():
            return {}
        try:
            return dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: cannot be read ({error}); delete {self.root} to generate it anew") from error

    def _write_record(self, record: dict[str, Any]) -> None:
        write_file(self.root / RECORD, json.dumps(record))

    def _clear(self, there: set[str], record: dict[str, Any]) -> None:
        """Delete what another generator or seed made; its record stays meanwhile, so this can be interrupted."""
        if there and not (record and all(map(_is_generated, there))):
            raise InputError(f"{self.cache}: holds keypoints that the demo did not make; give the demo another root")
        for path in (clip_path(self.cache, name) for name in there):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise InputError(f"{path}: cannot be deleted ({error.strerror}); check who may write there") from error


def _is_generated(clip_id: str) -> bool:
    return re.fullmatch(rf"({'|'.join(action.name for action in ACTIONS)})_\d{{3,}}", clip_id) is not None


def _read_list(path: Path, key: str) -> NDArray[np.float64]:
    """Rows [N, 3] of class, clip number and score."""
    try:
        rows = read_list(path, key)
    except ValueError as error:
        raise InputError(f"{path}: not a list of the demo ({error}); delete the file to have it made anew") from None
    if rows.shape[1] != 3:
        raise InputError(f"{path}: not a list of the demo; delete the file to have it made anew")
    return rows
