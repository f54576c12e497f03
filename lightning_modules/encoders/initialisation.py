"""How the weights of graph convolutions start: with 2 channels and ReLU, a network may be dead from the first step."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Initialisation = Literal["glorot", "linear", "orthogonal", "positive"]


def initialise(weight: Tensor, initialisation: Initialisation) -> None:
    """Draw a weight [out, in] of a graph convolution anew, from torch's global generator.

    Args:
        weight: overwritten.
        initialisation: "glorot", Glorot's uniform, as PyG's GCNConv; "linear", the uniform of `torch.nn.Linear`, within
            1/sqrt(in); "orthogonal", a random rotation or reflection (`torch.nn.init.orthogonal_`); "positive", the
            absolute values of Glorot's uniform: on inputs of 0 or more no ReLU clips anything at the start, so every
            channel begins alive for every pose. For few channels: wide layers all start close to the same mean.

    Raises:
        ValueError: another initialisation.
    """
    if initialisation not in ("glorot", "linear", "orthogonal", "positive"):
        raise ValueError(f"initialisation is {initialisation!r}: choose glorot, linear, orthogonal or positive")
    with torch.no_grad():
        if initialisation == "linear":
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
        elif initialisation == "orthogonal":
            nn.init.orthogonal_(weight)
        else:
            nn.init.xavier_uniform_(weight)
            if initialisation == "positive":
                weight.abs_()
