"""How a model ranks clips whose keypoints are worse than those it was trained on."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from datamodules.base import PoseDataModule
from files import write_atomically
from lightning_modules.clip_model import ClipModel
from poses.batches import EmbeddedClips
from poses.perturbations import Perturbation, curves, perturbed_poses
from scoring.evaluation import clip_table
from scoring.scorers import ClipScorer

ROBUSTNESS: Final = "robustness.parquet"
"""File in the folder of a run."""
COLUMNS: Final = ("perturbation", "unit", "level", "clip", "action", "group", "score")


@dataclass(frozen=True)
class PerturbedClips:
    """The clips of the test part with perturbed keypoints.

    Attributes:
        perturbation: what was done to them.
        poses: [N, T, 15, C], in the order of the tracks.
    """

    perturbation: Perturbation
    poses: Tensor


def perturbed_clips(data: PoseDataModule) -> list[PerturbedClips]:
    """The test part of a data module with every perturbation at every level above 0; nothing of clip features."""
    if data.serves != "poses":
        return []
    keypoints = data.keypoints()
    changes = [change for curve in curves() for change in curve if change.level > 0]
    return [
        PerturbedClips(change, torch.from_numpy(perturbed_poses(keypoints, change, data.normalisation)))
        for change in changes
    ]


@torch.inference_mode()
def robustness(
    model: ClipModel,
    exemplars: EmbeddedClips,
    queries: EmbeddedClips,
    predictions: Mapping[str, Tensor],
    perturbed: Sequence[PerturbedClips],
    clip_names: Sequence[str],
    groups: Sequence[str | None],
    action_names: Sequence[str],
) -> pa.Table:
    """Predictions of every scorer for the test part, perturbed in every way and as it is.

    Args:
        model: in evaluation mode.
        exemplars: never perturbed.
        queries: N tracks of the test part as they are.
        predictions: of these, by scorer, [N].
        perturbed: the same tracks, perturbed.
        clip_names: by clip index.
        groups: by clip index; None where unknown.
        action_names: by action index.

    Returns:
        One row a perturbation, level (from 0, as it is) and clip: perturbation, unit, level, clip, action, group, score
        and a column for every scorer; null where unknown.
    """
    scorers = [cast(ClipScorer, scorer) for scorer in model.scorers]
    if not perturbed:
        return pa.table({name: [] for name in (*COLUMNS, *(scorer.name for scorer in scorers))})
    count = len(queries)
    everything = replace(  # a scorer's prediction does not depend on the other queries
        queries[torch.arange(count).repeat(len(perturbed))],
        poses=torch.cat([one.poses for one in perturbed]),
        embedding=torch.cat([model.embed_clips(one.poses) for one in perturbed]),
    )
    found = {scorer.name: scorer(everything, exemplars).split(count) for scorer in scorers}
    by_level = {f"{i} {name}": part for name, parts in found.items() for i, part in enumerate(parts)}
    table = clip_table(queries, {**predictions, **by_level})

    blocks: list[tuple[Perturbation, str]] = []  # with what the columns of its predictions are called
    for i, one in enumerate(perturbed):
        if not blocks or blocks[-1][0].name != one.perturbation.name:
            blocks.append((type(one.perturbation)(0.0), ""))
        blocks.append((one.perturbation, f"{i} "))
    clips = len(table.clip)

    def repeated(values: Sequence[Any]) -> list[Any]:
        return list(values) * len(blocks)

    columns: dict[str, Any] = {
        "perturbation": [change.name for change, _ in blocks for _ in range(clips)],
        "unit": [change.unit for change, _ in blocks for _ in range(clips)],
        "level": np.repeat([change.level for change, _ in blocks], clips),
        "clip": repeated([clip_names[i] for i in table.clip.tolist()]),
        "action": repeated([action_names[i] for i in table.action.tolist()]),
        "group": pa.array(repeated([groups[i] for i in table.clip.tolist()]), pa.string()),
        "score": pa.array(np.tile(table.score.numpy(), len(blocks)), from_pandas=True),
    }
    for scorer in scorers:
        values = torch.cat([table.predictions[prefix + scorer.name] for _, prefix in blocks])
        columns[scorer.name] = pa.array(values.numpy(), from_pandas=True)  # NaN becomes null
    return pa.table(columns)


def write_robustness(run: Path, table: pa.Table) -> None:
    """Write robustness.parquet, whole or not at all."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_atomically(run / ROBUSTNESS, buffer.getvalue())
