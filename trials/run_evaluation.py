"""Evaluates finished fits without a trainer, many in one process: what tests of one dataset share is made once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch

from datamodules.base import PoseDataModule
from errors import InputError, quoted
from lightning_modules.clip_model import ClipModel
from poses.batches import ClipBatch
from run_folder.layout import BEST
from run_folder.measurements import write_robustness
from run_folder.origin import read_config
from run_folder.results import write_results
from run_folder.trained import Checkpoint, build_own
from run_folder.trial import read_record
from scoring.evaluation import clip_table
from trials.costs import cost_of
from trials.robustness import Perturbed, perturbed_clips, robustness

TRAINING: Final = ("batch_size", "pairs", "seed", "exemplar_pairs")
"""Options of a data module that only training asks for: runs that differ in these are tested on the same clips."""

KEPT: Final = 6
"""Exams in memory: the folds of a dataset."""


@dataclass(frozen=True)
class Exam:
    """What models are tested on; none of it depends on the model.

    Attributes:
        data: set up to test.
        exemplars, queries: its batches.
        perturbed: the queries with worse keypoints.
    """

    data: PoseDataModule
    exemplars: list[ClipBatch]
    queries: list[ClipBatch]
    perturbed: list[Perturbed]


def evaluate_runs(folders: Sequence[Path]) -> list[str | None]:
    """Test finished fits as `run.py test` does, and measure what they cost and what worse keypoints do to them.

    Into every folder go test/metrics.json, test/predictions.parquet and test/pairs.json, equal to those of `run.py
    test` on the CPU (which draws a figure as well), robustness.parquet and cost.json. A run that cannot be evaluated
    does not stop the others.

    Args:
        folders: of runs, each with config.yaml and checkpoints/best.ckpt; trial.json says how long the training took.

    Returns:
        For every folder None, or a line on why it could not be evaluated.
    """
    return [_outcome(folder) for folder in folders]


def _outcome(run: Path) -> str | None:
    try:
        _evaluate(run)
    except InputError as error:
        return " ".join(str(error).split())
    except Exception as error:  # whatever is wrong with one run, the others are evaluated
        return f"{run}: {type(error).__name__}: {' '.join(str(error).split())}"
    return None


@torch.inference_mode()
def _evaluate(run: Path) -> None:
    config = read_config(run)
    model = load_clip_model(run, config)
    exam = _exam(data_key(config))
    for loader, batches in enumerate((exam.exemplars, exam.queries)):
        for i, batch in enumerate(batches):
            model.test_step(batch, i, loader)
    exemplars, queries = model.test_clips(exam.data)
    write_results(run, "test", model, exam.data)
    plain = clip_table(queries, model.predictions)
    write_robustness(run, plain, robustness(model, exemplars, queries, exam.perturbed), exam.data)
    content = queries.poses if model.takes == "poses" else queries.embedding
    cost_of(model, content, read_record(run)).write(run)


@lru_cache(KEPT)
def _exam(key: str) -> Exam:
    data = load_data(key)
    exemplars, queries = (list(loader) for loader in data.test_dataloader())
    return Exam(data, exemplars, queries, perturbed_clips(data))


def load_clip_model(run: Path, config: Mapping[str, Any]) -> ClipModel:
    """The model of a run with the weights, and the scorers' settings, of its best checkpoint; in evaluation mode.

    Raises:
        InputError: no checkpoint, a broken one or another model's; a model that cannot be built, or not by this code.
    """
    precision = (config.get("trainer") or {}).get("precision")
    if precision not in (None, 32, "32", "32-true"):
        raise InputError(f"{run}: was trained in the precision {quoted(precision)}; test it with `python run.py test`")
    model: ClipModel = Checkpoint(run / BEST).whole(ClipModel, config["model"])
    return model


def data_key(config: Mapping[str, Any]) -> str:
    """Says what a run is tested on: equal for runs with the same clips, parts and normalisation."""
    data = dict(config["data"])
    options = data.get("init_args") or {}
    data["init_args"] = {name: value for name, value in options.items() if name not in TRAINING}
    return json.dumps(data, sort_keys=True)


def load_data(key: str) -> PoseDataModule:
    """The data module of a `data_key`, ready to test.

    Raises:
        InputError: it cannot be built, or its data are not there.
    """
    config = json.loads(key)
    data: PoseDataModule = build_own(PoseDataModule, config, f"{config.get('class_path')}: its data", everything=False)
    data.prepare_data()
    data.setup("test")
    return data
