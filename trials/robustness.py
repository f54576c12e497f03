"""How a model ranks clips whose keypoints are worse than those it was trained on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from datamodules.base import PoseDataModule
from lightning_modules.clip_model import ClipModel
from poses.batches import EmbeddedClips
from poses.perturbations import Perturbation, curves, perturbed_poses
from run_folder.measurements import Disturbance
from scoring.evaluation import ClipTable, clip_table
from scoring.scorers import ClipScorer

Perturbed = tuple[Perturbation, Tensor]
"""What was done to the clips of the test part, and their poses then [N, T, 15, C], in the order of the tracks."""


def perturbed_clips(data: PoseDataModule) -> list[Perturbed]:
    """The test part of a data module with every perturbation at every level above 0; nothing of clip features."""
    if data.serves != "poses":
        return []
    keypoints = data.keypoints()
    changes = [change for curve in curves() for change in curve if change.level > 0]
    return [(change, torch.from_numpy(perturbed_poses(keypoints, change, data.normalisation))) for change in changes]


@torch.inference_mode()
def robustness(
    model: ClipModel, exemplars: EmbeddedClips, queries: EmbeddedClips, perturbed: Sequence[Perturbed]
) -> list[tuple[Disturbance, ClipTable]]:
    """Predictions of every scorer for the test part, perturbed in every way.

    Args:
        model: in evaluation mode.
        exemplars: never perturbed.
        queries: N tracks of the test part as they are.
        perturbed: the same tracks, perturbed.
    """
    if not perturbed:
        return []
    count = len(queries)
    everything = replace(  # a scorer's prediction does not depend on the other queries
        queries[torch.arange(count).repeat(len(perturbed))],
        poses=torch.cat([poses for _, poses in perturbed]),
        embedding=torch.cat([model.embed_clips(poses) for _, poses in perturbed]),
    )
    scorers = [cast(ClipScorer, scorer) for scorer in model.scorers]
    found = {scorer.name: scorer(everything, exemplars).split(count) for scorer in scorers}
    tables = [clip_table(queries, {name: parts[i] for name, parts in found.items()}) for i in range(len(perturbed))]
    changes = [Disturbance(change.name, change.unit, change.level) for change, _ in perturbed]
    return list(zip(changes, tables, strict=True))
