import numpy as np
import pytest
import torch
from torch_geometric.nn import DenseGCNConv, GCNConv

from lightning_modules.encoders.graphs import Graph, edges
from lightning_modules.encoders.skeleton_conv import SkeletonConv
from poses.skeleton import BONES

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
    with pytest.raises(ValueError, match="above 0 where a joint has no edge"):
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
