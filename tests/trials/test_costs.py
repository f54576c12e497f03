import pytest
import torch
from torch import Tensor, nn

from lightning_modules.encoders import GCNEncoder
from lightning_modules.pose_similarity import PoseSimilarity
from run_folder.trial import Record
from scoring.reference import ReferenceScorer
from trials import costs
from trials.costs import cost_of


class Slow(nn.Module):
    """Takes 5 ms a call and 1 ms more for every clip of 4 poses, as its own clock goes; the very first call 200."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.calls: list[int] = []
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def forward(self, poses: Tensor) -> Tensor:
        self.now += 0.005 + 0.001 * len(poses) / 4 if self.calls else 0.2
        self.calls.append(len(poses))
        return poses.flatten(1) * self.weight.sum()


def test_the_time_is_that_of_one_clip_once_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Slow()
    monkeypatch.setattr(costs, "time", encoder)
    cost = cost_of(PoseSimilarity(encoder, [ReferenceScorer()]).eval(), torch.rand(9, 4, 15, 2), None)
    assert cost.milliseconds_per_clip == 6
    assert set(encoder.calls) == {4}
    assert cost.clips == 9
    assert cost.threads == torch.get_num_threads()
    assert (cost.fit_seconds, cost.members) == (None, 1)


def test_parameters_and_what_training_took() -> None:
    model = PoseSimilarity(GCNEncoder(), [ReferenceScorer()]).eval()
    record = Record("an ablation", "ablation", {}, (), "finished", seconds=3.5, members=4)
    cost = cost_of(model, torch.rand(60, 20, 15, 2), record)
    layers = [2 * 2, 2 * 2, 30 * 40 + 40, 40 * 50 + 50, 50 * 50 + 50]
    assert cost.parameters == sum(layers)
    assert (cost.fit_seconds, cost.members, cost.clips) == (3.5, 4, 50)
