import pytest
import torch
from torch import nn

from errors import InputError
from lightning_modules.encoders import MLPEncoder
from lightning_modules.pose_similarity import PoseSimilarity
from lightning_modules.temporal import SegmentMean
from scoring.ridge import RidgeScorer


def test_segments_are_means_of_unit_vectors() -> None:
    embedding = torch.randn(3, 12, 5)
    found = SegmentMean(4)(embedding)
    for clip in range(3):
        for segment in range(4):
            rows = [row / row.norm() for row in embedding[clip, 3 * segment : 3 * segment + 3]]
            torch.testing.assert_close(found[clip, segment], sum(rows) / 3)


def test_one_pose_a_segment_leaves_directions_as_they_are() -> None:
    embedding = torch.randn(2, 6, 5)
    torch.testing.assert_close(SegmentMean(6)(embedding), nn.functional.normalize(embedding, dim=-1))


def test_poses_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InputError, match="10 poses a clip do not divide among 4 segments"):
        SegmentMean(4)(torch.randn(1, 10, 5))
    with pytest.raises(InputError, match="expected 1 or more"):
        SegmentMean(0)


def test_the_model_scores_what_the_head_gives_and_trains_on_single_poses() -> None:
    model = PoseSimilarity(MLPEncoder(), [RidgeScorer()], temporal_head=SegmentMean(2))
    poses = torch.rand(3, 8, 15, 2)
    torch.testing.assert_close(model.embed_clips(poses), SegmentMean(2)(model(poses)))
    loss = model.training_step({"poses": torch.rand(2, 7, 15, 2), "similar": torch.ones(7)}, 0)
    assert loss.isfinite()
