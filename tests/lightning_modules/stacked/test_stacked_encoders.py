import copy

import pytest
import torch
from torch import nn

from lightning_modules.encoders import GCNEncoder, MLPEncoder
from lightning_modules.stacked.stacked_encoders import Unstackable, member_state, stack_encoders
from tests.lightning_modules.encoders.test_encoders import CHANNELS, ENCODERS


def members(name: str) -> list[nn.Module]:
    """Three encoders of one shape with other weights."""
    made = [copy.deepcopy(ENCODERS[name]).double() for _ in range(3)]
    for seed, encoder in enumerate(made):
        generator = torch.Generator().manual_seed(seed)
        for weights in encoder.parameters():
            weights.data = torch.randn(weights.shape, generator=generator, dtype=torch.float64)
    return made


@pytest.mark.parametrize("name", ENCODERS)
def test_members_give_what_they_give_alone_and_learn_from_it_alone(name: str) -> None:
    alone = members(name)
    stacked = stack_encoders(alone)
    poses = torch.rand(3, 5, 15, CHANNELS.get(name, 2), dtype=torch.float64)
    together = stacked(poses)
    separate = torch.stack([encoder(own) for encoder, own in zip(alone, poses, strict=True)])
    torch.testing.assert_close(together, separate)
    weight = torch.rand(separate.shape, dtype=torch.float64)
    (together * weight).sum().backward()
    (separate * weight).sum().backward()
    for member, encoder in enumerate(alone):
        for (path, theirs), (_, own) in zip(stacked.named_parameters(), encoder.named_parameters(), strict=True):
            assert theirs.grad is not None
            torch.testing.assert_close(theirs.grad[member], own.grad, msg=path)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_member_taken_out_is_the_encoder_put_in(name: str) -> None:
    alone = members(name)
    state = member_state(stack_encoders(alone), 1)
    assert list(state) == list(alone[1].state_dict())
    other = copy.deepcopy(alone[0])
    other.load_state_dict(state)
    poses = torch.rand(2, 15, CHANNELS.get(name, 2), dtype=torch.float64)
    assert torch.equal(other(poses), alone[1](poses))


class OwnWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))


@pytest.mark.parametrize(
    ("encoders", "why"),
    [
        ([MLPEncoder(), GCNEncoder()], "not of one shape"),
        ([GCNEncoder(channels=4), GCNEncoder(channels=8)], "not of one shape"),
        ([GCNEncoder(graph="tree"), GCNEncoder(graph="tree", graph_seed=1)], "different graphs"),
        ([OwnWeights(), OwnWeights()], "weights of its own"),
        ([nn.Sequential(nn.Conv1d(2, 3, 1)), nn.Sequential(nn.Conv1d(2, 3, 1))], "Conv1d has weights and no stacked"),
        ([nn.Sequential(nn.LayerNorm((15, 2)))] * 2, "several dimensions"),
    ],
)
def test_what_cannot_be_stacked(encoders: list[nn.Module], why: str) -> None:
    with pytest.raises(Unstackable, match=why):
        stack_encoders(encoders)
