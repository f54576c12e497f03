"""Evaluates finished fits without a trainer, many in one process: what tests of one dataset share is made once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import torch

from datamodules.base import PoseDataModule
from errors import InputError
from files import write_atomically
from lightning_modules.callbacks.evaluation_report import write_results
from lightning_modules.clip_model import ClipModel
from poses.batches import ClipBatch, EmbeddedClips
from run_folder.trial import read_record
from scoring.scorers import ClipScorer
from trials.costs import COST, cost_of
from trials.robustness import PerturbedClips, perturbed_clips, robustness, write_robustness
from trials.stored_runs import data_key, load_clip_model, load_data, read_config

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
    perturbed: list[PerturbedClips]


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
    data = exam.data
    exemplars, queries = _embed(model, exam)
    scorers = [cast(ClipScorer, scorer) for scorer in model.scorers]
    model.predictions = {scorer.name: scorer(queries, exemplars) for scorer in scorers}
    model.collapsed = model.has_collapsed(queries)
    model.evaluate_clips(queries, exemplars, data)
    write_results(run, "test", model, type(data).__name__, data.clips, data.action_names)
    names, groups = [clip.clip_id for clip in data.clips], [clip.group for clip in data.clips]
    write_robustness(
        run,
        robustness(model, exemplars, queries, model.predictions, exam.perturbed, names, groups, data.action_names),
    )
    content = queries.poses if model.takes == "poses" else queries.embedding
    cost = cost_of(model, content, read_record(run))
    write_atomically(run / COST, json.dumps(cost, indent=2) + "\n")


def _embed(model: ClipModel, exam: Exam) -> tuple[EmbeddedClips, EmbeddedClips]:
    """Exemplars and queries, embedded in the batches of a test."""
    for loader, batches in enumerate((exam.exemplars, exam.queries)):
        for i, batch in enumerate(batches):
            model.predict_step(batch, i, loader)
    return model.exemplars.gather(), model.queries.gather()


@lru_cache(KEPT)
def _exam(key: str) -> Exam:
    data = load_data(key)
    exemplars, queries = (list(loader) for loader in data.test_dataloader())
    return Exam(data, exemplars, queries, perturbed_clips(data))
