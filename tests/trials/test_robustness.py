from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from lightning_modules.clip_model import ClipModel
from poses.batches import ClipBatch, EmbeddedClips, names_of
from poses.perturbations import LEVELS, JointNoise, Perturbation, Rotation, perturbed_poses
from run_folder.origin import read_config
from scoring.scorers import ClipScorer
from tests.trials.conftest import CONFIGS
from trials.run_evaluation import data_key, evaluate_runs, load_clip_model, load_data

Fitted = Callable[..., Path]


def rows_of(path: Path) -> list[dict]:
    rows: list[dict] = pq.read_table(path).to_pylist()
    return rows


@pytest.mark.parametrize("config", CONFIGS)
def test_every_clip_at_every_level(config: str, fitted: Fitted) -> None:
    run = fitted(config)
    assert evaluate_runs([run]) == [None]
    rows, plain = rows_of(run / "robustness.parquet"), rows_of(run / "test" / "predictions.parquet")
    scorers = ["reference", "vote", "ridge"]
    assert list(rows[0]) == ["perturbation", "unit", "level", "clip", "action", "group", "score", *scorers]
    for kind, levels in LEVELS.items():
        own = [row for row in rows if row["perturbation"] == kind.name]
        assert {row["unit"] for row in own} == {kind.unit}
        assert [(row["level"], row["clip"]) for row in own] == [
            (level, one["clip"]) for level in levels for one in plain
        ]
        as_it_is = own[: len(plain)]
        for known in ("clip", "action", "group", "score", *scorers):
            assert [row[known] for row in as_it_is] == [row[known] for row in plain]
            if known in scorers:
                assert [row[known] for row in own[-len(plain) :]] != [row[known] for row in plain]
    assert len(rows) == len(plain) * sum(map(len, LEVELS.values()))


@torch.no_grad()
def embedded(model: ClipModel, batches: list[ClipBatch]) -> EmbeddedClips:
    columns = {name: torch.cat([getattr(batch, name) for batch in batches]) for name in names_of(ClipBatch)}
    poses = columns.pop("content")
    return EmbeddedClips(embedding=torch.stack([model.embed_clips(clip) for clip in poses]), poses=poses, **columns)


@pytest.mark.parametrize("change", [JointNoise(5), Rotation(90)], ids=lambda change: change.name)
def test_predictions_are_those_of_the_perturbed_clips(change: Perturbation, fitted: Fitted) -> None:
    """Track by track, with nothing shared; some clips have two."""
    run = fitted("demo.yaml")
    assert evaluate_runs([run]) == [None]
    rows = rows_of(run / "robustness.parquet")
    own = {row["clip"]: row for row in rows if (row["perturbation"], row["level"]) == (change.name, change.level)}
    config = read_config(run)
    data, model = load_data(data_key(config)), load_clip_model(run, config)
    exemplars = embedded(model, list(data.test_dataloader()[0]))
    (plain,) = list(data.test_dataloader()[1])
    perturbed = torch.from_numpy(perturbed_poses(data.keypoints(), change, data.normalisation))
    queries = embedded(model, [replace(plain, content=perturbed)])
    assert len(queries) > len(own)
    for scorer in cast(list[ClipScorer], model.scorers):
        tracks: dict[str, list[float]] = {}
        for i, clip in enumerate(queries.clip.tolist()):
            prediction = float(scorer(queries[torch.tensor([i])], exemplars))
            tracks.setdefault(data.clips[clip].clip_id, []).append(prediction)
        assert tracks.keys() == own.keys()
        for name, values in tracks.items():
            assert own[name][scorer.name] == pytest.approx(np.mean(values), rel=1e-4, abs=1e-4)
