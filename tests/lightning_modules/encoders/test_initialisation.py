from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from lightning_modules.encoders import GCNEncoder
from lightning_modules.encoders.initialisation import Initialisation, initialise
from poses.normalisation import Normalisation
from tests.climbers import climbers

STARTS: tuple[Initialisation, ...] = ("glorot", "linear", "orthogonal", "positive")


def drawn(initialisation: Initialisation, out: int, into: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    weight = torch.full((out, into), torch.nan)
    initialise(weight, initialisation)
    return weight


@pytest.mark.parametrize("shape", [(2, 2), (16, 2), (64, 16)])
def test_each_is_what_it_says(shape: tuple[int, int]) -> None:
    out, into = shape
    pyg, linear = GCNConv(into, out, bias=False), nn.Linear(into, out)
    for layer in (pyg, linear):
        torch.manual_seed(0)
        layer.reset_parameters()
    assert torch.equal(drawn("glorot", out, into), pyg.lin.weight)
    assert torch.equal(drawn("linear", out, into), linear.weight)
    assert torch.equal(drawn("positive", out, into), drawn("glorot", out, into).abs())
    rotation = drawn("orthogonal", out, into).double().numpy()
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(into), atol=1e-5)  # no input is lost: into <= out


def test_another_initialisation_is_refused() -> None:
    with pytest.raises(ValueError, match="choose glorot, linear, orthogonal or positive"):
        initialise(torch.zeros(2, 2), cast(Initialisation, "zero"))


@pytest.mark.parametrize("start", STARTS)
def test_seeds_that_are_dead_before_the_first_step(start: Initialisation) -> None:
    # the figures of GCNEncoder's docstring, on a sample of the poses and a fifth of the seeds
    poses = torch.from_numpy(Normalisation()(climbers(), None)[0])
    dead = 0
    for seed in range(40):
        torch.manual_seed(seed)
        with torch.inference_mode():
            embedding = GCNEncoder(initialisation=start)(poses)
        dead += bool((embedding.amax(0) == embedding.amin(0)).all())
    assert dead == 0 if start == "positive" else 1 <= dead <= 20
