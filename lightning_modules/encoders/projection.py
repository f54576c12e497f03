"""The projection that the GCN encoder and the MLP baseline share."""

from torch import nn

HIDDEN = (40, 50)
EMBEDDING = 50


def projection(features: int, embedding: int = EMBEDDING) -> nn.Sequential:
    """Features [..., F] -> 40 -> 50 -> embedding [..., E], ReLU on the hidden layers.

    The output is linear: after a ReLU every cosine similarity is >= 0, the distance of eq. (5) never passes 1 and the
    margin of 1.35 is never reached (the paper, section III-C, leaves this open).
    """
    first, second = HIDDEN
    return nn.Sequential(
        nn.Linear(features, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, embedding)
    )
