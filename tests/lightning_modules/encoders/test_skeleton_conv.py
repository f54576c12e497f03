from collections import Counter
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import DenseGCNConv, GCNConv

from errors import InputError
from lightning_modules.encoders import GCNEncoder
from lightning_modules.encoders.skeleton_conv import Graph, Initialisation, SkeletonConv, edges, initialise
from poses.normalisation import Normalisation
from poses.skeleton import BONES
from tests.climbers import climbers

STARTS: tuple[Initialisation, ...] = ("glorot", "linear", "orthogonal", "positive")
WIDTHS = [(2, 2), (2, 16), (16, 2), (16, 16), (3, 5)]


def hand_built(self_loops: float, neighbours: tuple[tuple[int, int], ...] = BONES) -> np.ndarray:
    """D^-1/2 C^ D^-1/2 of eq. (3), entry by entry."""
    c = np.zeros((15, 15))
    for i, j in neighbours:
        c[i, j] = c[j, i] = 1
    for i in range(15):
        c[i, i] = self_loops
    d = c.sum(axis=1)
    return np.array([[c[i, j] / np.sqrt(d[i] * d[j]) for j in range(15)] for i in range(15)])


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("self_loops", [2.0, 1.0])
def test_equals_the_hand_built_equation(widths: tuple[int, int], self_loops: float) -> None:
    torch.manual_seed(0)
    layer = SkeletonConv(*widths, self_loops=self_loops)
    poses = torch.rand(7, 15, widths[0])
    w = layer.lin.weight.detach().numpy().T
    expected = np.stack([hand_built(self_loops) @ pose @ w for pose in poses.numpy().astype(np.float64)])
    np.testing.assert_allclose(layer(poses).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("graph", ["none", "tree", "full"])
@pytest.mark.parametrize("lead", [(), (0,), (3, 4), (2, 1, 2)])
def test_other_graphs_and_any_leading_shape(widths: tuple[int, int], graph: Graph, lead: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = SkeletonConv(*widths, self_loops=1.0, bias=True, graph=graph, graph_seed=5)
    assert layer.bias is not None
    torch.nn.init.normal_(layer.bias)
    poses = torch.rand(*lead, 15, widths[0])
    matrix = hand_built(1.0, edges(graph, 5))
    w, b = layer.lin.weight.detach().double().numpy().T, layer.bias.detach().double().numpy()
    got = layer(poses).detach().numpy()
    assert got.shape == (*lead, 15, widths[1])
    for index in np.ndindex(lead):
        np.testing.assert_allclose(got[index], matrix @ poses[index].double().numpy() @ w + b, atol=1e-5)


def test_another_tree_is_another_layer() -> None:
    trees = {SkeletonConv(2, 2, graph="tree", graph_seed=seed).matrix.numpy().tobytes() for seed in (0, 0, 1, 2)}
    assert len(trees) == 3
    with pytest.raises(InputError, match="above 0 where a joint has no edge"):
        SkeletonConv(2, 2, self_loops=0, graph="none")


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("widths", WIDTHS)
def test_equals_pygs_gcnconv_with_explicit_weights(widths: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    layer = SkeletonConv(*widths, bias=bias)
    if bias:
        torch.nn.init.normal_(layer.bias)
    pyg = GCNConv(*widths, improved=True, bias=bias)
    pyg.load_state_dict(layer.state_dict())
    dense = DenseGCNConv(*widths, improved=True, bias=bias)
    dense.load_state_dict(layer.state_dict())
    edges = torch.tensor([*BONES, *[(j, i) for i, j in BONES]]).T
    poses = torch.rand(5, 15, widths[0])
    torch.testing.assert_close(layer(poses), pyg(poses, edges, torch.ones(28)), atol=1e-5, rtol=0)
    adjacency = torch.zeros(15, 15).index_put((edges[0], edges[1]), torch.tensor(1.0))
    torch.testing.assert_close(layer(poses), dense(poses, adjacency), atol=1e-5, rtol=0)
    # the trap: without weights PyG's `improved` silently uses 1 on the diagonal
    assert (layer(poses) - pyg(poses, edges)).abs().max() > 1e-3


def test_initialises_as_pyg_does() -> None:
    torch.manual_seed(3)
    layer = SkeletonConv(2, 16)
    torch.manual_seed(3)
    assert torch.equal(layer.lin.weight, GCNConv(2, 16, improved=True, bias=False).lin.weight)


def test_gradients() -> None:
    layer = SkeletonConv(2, 2, bias=True).double()
    poses = torch.rand(3, 15, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, poses)
    assert all(p.grad is None for p in layer.parameters())
    layer(poses).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def reached(edges: tuple[tuple[int, int], ...]) -> set[int]:
    """Joints that can be walked to from joint 0."""
    found = {0}
    for _ in range(15):
        found |= {joint for edge in edges if found & set(edge) for joint in edge}
    return found


@pytest.mark.parametrize("seed", range(20))
def test_a_tree_joins_all_joints_with_14_edges(seed: int) -> None:
    tree = edges("tree", seed)
    assert len({frozenset(edge) for edge in tree}) == 14
    assert all(a != b for a, b in tree)
    assert reached(tree) == set(range(15))
    assert tree == edges("tree", seed)
    assert {frozenset(edge) for edge in tree} != {frozenset(bone) for bone in BONES}


def test_trees_of_all_kinds_are_as_likely() -> None:
    # a labelled tree of n joints has joint j as a leaf with probability (1 - 1/n)^(n - 2), and every edge 2/n
    trees = [edges("tree", seed) for seed in range(3000)]
    degrees = np.array([np.bincount(np.ravel(tree), minlength=15) for tree in trees])
    np.testing.assert_allclose((degrees == 1).mean(0), (14 / 15) ** 13, atol=0.04)
    shares = Counter(frozenset(edge) for tree in trees for edge in tree)
    assert len(shares) == 105
    np.testing.assert_allclose([count / 3000 for count in shares.values()], 2 / 15, atol=0.03)


def test_the_other_graphs() -> None:
    assert edges("skeleton", 3) == BONES
    assert edges("none") == ()
    assert {frozenset(edge) for edge in edges("full")} == {frozenset((i, j)) for i in range(15) for j in range(i)}
    assert len(edges("full")) == 105


def test_another_graph_is_refused() -> None:
    wrong: Graph = "ring"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="choose skeleton, none, tree or full"):
        edges(wrong)


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
