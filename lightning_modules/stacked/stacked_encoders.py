"""Several encoders of one shape as a single module: every product gets a leading member dimension.

Networks as small as these are all overhead: a step of 32 of them, stacked, costs a few times a step of one.
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.encoders.residual_gcn import JointCode
from lightning_modules.encoders.skeleton_conv import KRONECKER_WEIGHTS, SkeletonConv
from poses.skeleton import JOINTS


class Unstackable(ValueError):
    """The encoders differ in shape, or hold a layer that has no stacked version."""


def stack_encoders(encoders: Sequence[nn.Module]) -> nn.Module:
    """One module that does to [M, B, 15, C] what each of M encoders does to [B, 15, C].

    Its `state_dict` has the names of a single encoder's, with a leading member dimension; `member_state` takes one out.
    The weights are copies.

    Raises:
        Unstackable: see there.
    """
    shapes = [{name: tuple(value.shape) for name, value in one.state_dict().items()} for one in encoders]
    if any(type(one) is not type(encoders[0]) for one in encoders) or any(one != shapes[0] for one in shapes):
        raise Unstackable("the encoders are not of one shape")
    if next(encoders[0].parameters(recurse=False), None) is not None:
        raise Unstackable(f"{type(encoders[0]).__name__} has weights of its own, beside those of its layers")
    stacked: nn.Module = copy.deepcopy(encoders[0])
    _replace(stacked, encoders)
    return stacked


def member_state(stacked: nn.Module, member: int) -> dict[str, Tensor]:
    """Weights of one member, as views of the stack's: what an encoder of its own loads."""
    return {name: value.detach()[member] for name, value in stacked.state_dict().items()}


def _replace(module: nn.Module, originals: Sequence[nn.Module]) -> None:
    """Put stacked layers in the place of the layers below `module`."""
    for name, child in module.named_children():
        children = [getattr(original, name) for original in originals]
        make = _STACKED.get(type(child))
        if make is not None:
            setattr(module, name, make(children))
        elif next(child.parameters(recurse=False), None) is not None:
            raise Unstackable(f"{type(child).__name__} has weights and no stacked version")
        else:
            _replace(child, children)


def _parameter(layers: Sequence[Any], name: str) -> nn.Parameter | None:
    values = [getattr(layer, name) for layer in layers]
    return None if values[0] is None else nn.Parameter(torch.stack([value.detach() for value in values]))


class StackedLinear(nn.Module):
    """M layers `torch.nn.Linear`: input [M, ..., in], output [M, ..., out]."""

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        self.weight = _parameter(layers, "weight")
        self.bias = _parameter(layers, "bias")

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        assert self.weight is not None
        rows, weight = x.flatten(1, -2), self.weight.transpose(1, 2)
        out = torch.bmm(rows, weight) if self.bias is None else torch.baddbmm(self.bias.unsqueeze(1), rows, weight)
        shaped: Tensor = out.unflatten(1, x.shape[1:-1])
        return shaped


class StackedLayerNorm(nn.Module):
    """M layers `torch.nn.LayerNorm` over the last dimension: input and output [M, ..., F]."""

    def __init__(self, layers: Sequence[nn.LayerNorm]) -> None:
        super().__init__()
        self.weight = _parameter(layers, "weight")
        self.bias = _parameter(layers, "bias")
        self.eps = layers[0].eps
        if len(layers[0].normalized_shape) != 1:
            raise Unstackable("LayerNorm over several dimensions")

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = nn.functional.layer_norm(x, x.shape[-1:], eps=self.eps)
        shape = (len(x), *[1] * (x.dim() - 2), x.shape[-1])
        x = x if self.weight is None else x * self.weight.view(shape)
        return x if self.bias is None else x + self.bias.view(shape)


class StackedSkeletonConv(nn.Module):
    """M layers `SkeletonConv` on one graph: input [M, B, 15, in], output [M, B, 15, out]."""

    matrix: Tensor

    def __init__(self, layers: Sequence[SkeletonConv]) -> None:
        super().__init__()
        if not all(torch.equal(layer.matrix, layers[0].matrix) for layer in layers):
            raise Unstackable("SkeletonConv on different graphs")
        self.in_channels, self.out_channels = layers[0].in_channels, layers[0].out_channels
        self.lin = StackedLinear([layer.lin for layer in layers])
        self.bias = _parameter(layers, "bias")
        self.register_buffer("matrix", layers[0].matrix.clone(), persistent=False)

    def forward(self, poses: Tensor) -> Tensor:
        """See the class."""
        weight = self.lin.weight
        assert weight is not None
        if math.prod(weight.shape[1:]) <= KRONECKER_WEIGHTS:
            layer = torch.kron(self.matrix, weight)  # [M, 15 out, 15 in]
            out = torch.bmm(poses.flatten(2), layer.transpose(1, 2)).unflatten(2, (len(JOINTS), self.out_channels))
        else:
            # joints before poses: then both products are large ones, and the next layer finds its input in place
            joints = poses.transpose(1, 2)
            narrow_first = self.in_channels < self.out_channels
            joints = self.lin(self._spread(joints)) if narrow_first else self._spread(self.lin(joints))
            out = joints.transpose(1, 2)
        shifted: Tensor = out if self.bias is None else out + self.bias[:, None, None]
        return shifted

    def _spread(self, joints: Tensor) -> Tensor:
        """The matrix times joints [M, 15, B, F]."""
        spread: Tensor = self.matrix @ joints.flatten(2)
        return spread.view(joints.shape)


class StackedJointCode(nn.Module):
    """M layers `JointCode`: input and output [M, B, 15, C]."""

    def __init__(self, layers: Sequence[JointCode]) -> None:
        super().__init__()
        self.code = _parameter(layers, "code")

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        assert self.code is not None
        return features + self.code.unsqueeze(1)


_STACKED: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.Linear: StackedLinear,
    nn.LayerNorm: StackedLayerNorm,
    SkeletonConv: StackedSkeletonConv,
    JointCode: StackedJointCode,
}
