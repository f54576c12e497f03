"""The decoder of TPT, which parses a clip into parts that follow each other (Bai et al., ECCV 2022, section 3.2).

Times are counted in steps of the paper's 20 windows: the first window of a clip is at 0, the last at `DURATION`,
however many there are. Losses on the attention are those of the reference code where a clip has 20 windows, and keep
their sizes where it has more or fewer.
"""

from typing import Final

import torch
from torch import Tensor, nn

DURATION: Final = 19.0
"""From the first of the paper's 20 windows to the last."""

DROPOUT: Final = 0.1
"""Share of the features that training sets to 0 behind every sublayer, as the reference does."""

_HIDDEN: Final = 512
_FIRST_TEMPERATURE: Final = 0.07


class TemporalParser(nn.Module):
    """Two decoder layers in which K learned queries look for their parts of a clip.

    The windows carry no code of their position, as in the reference: only what happens in a window says which part it
    belongs to, and only `ranking_loss` knows of the order.

    Args:
        width: C, features a window.
        parts: K.
        model_width: d, features a part; a multiple of `ParsingLayer.HEADS`.

    Shapes:
        input [B, W, C]; parts [B, K, d] and attention [B, 2, K, W], which sums to one over the windows and is never
        less precise than float32.
    """

    def __init__(self, width: int, parts: int, model_width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(parts, model_width))
        self.layers = nn.ModuleList(ParsingLayer(width, model_width, first=place == 0) for place in range(2))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        queries = self.queries.expand(len(features), -1, -1)
        parts = torch.zeros_like(queries)
        maps = []
        for layer in self.layers:
            parts, attention = layer(features, parts, queries)
            maps.append(attention)
        return parts, torch.stack(maps, 1)


class ParsingLayer(nn.Module):
    """Cross-attention of the parts to the windows, and a feed-forward network; in the first layer then self-attention.

    Each of the three is added to what it was given, and followed by a layer norm. Cross-attention has one head; its
    weights are a softmax over the windows of (key . query / d) / temperature. The temperature is learned. It starts at
    0.07 and, unlike the reference's, which is a free number that 700 steps of Adam can take from there to 0, stays
    positive: it is 0.07 exp(x / 0.07), so that around x = 0 a step of x is one of the temperature.

    Args:
        width: C, features a window.
        model_width: d, features a part.
        first: whether there is self-attention.

    Shapes:
        features [B, W, C], parts and queries [B, K, d]; output: parts [B, K, d], attention [B, K, W].
    """

    HEADS: Final = 8
    """Heads of the self-attention."""

    def __init__(self, width: int, model_width: int, first: bool) -> None:
        super().__init__()
        self.temperature_offset = nn.Parameter(torch.zeros(()))
        self.key = nn.Linear(width, model_width)
        self.value = nn.Linear(width, model_width)
        self.query = nn.Linear(model_width, model_width)
        self.cross_norm = nn.LayerNorm(model_width)
        self.feed_forward = nn.Sequential(
            nn.Linear(model_width, _HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(_HIDDEN, model_width)
        )
        self.feed_forward_norm = nn.LayerNorm(model_width)
        self.self_attention: nn.MultiheadAttention | None = None
        if first:
            self.self_attention = nn.MultiheadAttention(model_width, self.HEADS, dropout=DROPOUT, batch_first=True)
            self.self_norm = nn.LayerNorm(model_width)
        self.dropout = nn.Dropout(DROPOUT)

    @property
    def temperature(self) -> Tensor:
        """What the similarities are divided by, a scalar above 0."""
        return _FIRST_TEMPERATURE * (self.temperature_offset / _FIRST_TEMPERATURE).exp()

    def forward(self, features: Tensor, parts: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        similarity = self.query(parts + queries) @ self.key(features).transpose(1, 2) / queries.shape[-1]
        attention = at_least_float32(similarity / self.temperature).softmax(-1)
        value = self.value(features)
        parts = self.cross_norm(parts + self.dropout(attention.to(value.dtype) @ value))
        parts = self.feed_forward_norm(parts + self.dropout(self.feed_forward(parts)))
        if self.self_attention is not None:
            places = parts + queries
            found = self.self_attention(places, places, parts, need_weights=False)[0]
            parts = self.self_norm(parts + self.dropout(found))
        return parts, attention


def at_least_float32(numbers: Tensor) -> Tensor:
    """The numbers, as float32 where they are less precise: what comes of bfloat16 is summed up in float32."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))


def window_times(attention: Tensor) -> Tensor:
    """When the windows [W] of an attention map [..., W] are: 0 to `DURATION`; a single one is in the middle."""
    windows = attention.shape[-1]
    if windows == 1:
        return attention.new_full((1,), DURATION / 2)
    return torch.linspace(0, DURATION, windows, dtype=attention.dtype, device=attention.device)


def centres(attention: Tensor) -> Tensor:
    """Mean time [...] that each attention map [..., W] looks at, 0 to `DURATION`."""
    return attention @ window_times(attention)


def ranking_loss(attention: Tensor, margin: float) -> Tensor:
    """How far successive centres are from lying at least a margin apart, a scalar.

    The first centre must lie the margin after the start and the last the margin before the end, too: for K parts,
    K + 1 hinges max(0, earlier + margin - later). Their sum over the parts and layers, mean over the clips.

    Args:
        attention: [B, layers, K, W].
        margin: in the units of `window_times`.
    """
    own = centres(attention)
    ends = own.new_tensor([0.0, DURATION]).expand(*own.shape[:-1], 2)
    ordered = torch.cat([ends[..., :1], own, ends[..., 1:]], -1)
    return (margin - ordered.diff(dim=-1)).relu().sum((1, 2)).mean()


def sparsity_loss(attention: Tensor) -> Tensor:
    """Mean absolute distance of the attention from its centre, a scalar: mean over clips and parts, sum over layers.

    Args:
        attention: [B, layers, K, W].
    """
    distance = (window_times(attention) - centres(attention)[..., None]).abs()
    return (distance * attention).sum(-1).mean((0, 2)).sum()
