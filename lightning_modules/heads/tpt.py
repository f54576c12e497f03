"""TPT: contrastive regression on parts of clips, found by a temporal parsing transformer (Bai et al., ECCV 2022)."""

import math

import torch
from torch import Tensor, nn

from errors import InputError
from lightning_modules.heads.pair_head import PairHead, pair_differences
from lightning_modules.heads.score_intervals import DifferenceIntervals, interval_losses, likeliest_value
from lightning_modules.heads.temporal_parsing import (
    DROPOUT,
    DURATION,
    ParsingLayer,
    TemporalParser,
    at_least_float32,
    ranking_loss,
    sparsity_loss,
)

_HIDDEN = 128


class TPT(PairHead):
    """Compares query and exemplar part by part (section 7 of the protocol).

    Both clips are parsed by one `TemporalParser`. A network with one hidden layer compares each part of the exemplar
    with the same part of the query, and what it says is averaged over the parts. Two networks (d -> 128 -> intervals)
    then predict the difference as `CoRe`'s tree does: which interval, and where in it. Unlike CoRe's, the comparison
    does not know the exemplar's score.

    Args:
        windows, width: see `PairHead`; any width will do, each layer has its own linear layers from C to d.
        parts: K, learned queries.
        model_width: d, a multiple of 8; 256 is the reference decoder's default. Its command for I3D's 1,024 features
            asks for 512 (half of them); features of poses have fewer, and 256 trains more than twice as fast.
        intervals: number of intervals of score differences.
        margin: that attention centres must keep from each other and from the ends of the clip, where the clip lasts
            19; 2 as in the reference's command, where these are windows.
        ranking_weight: of `ranking_loss` beside the interval losses of the two orders, added up.
        sparsity_weight: of `sparsity_loss`, likewise.

    Raises:
        InputError: an option out of range, or a margin for which the clip is too short.
    """

    def __init__(
        self,
        windows: int,
        width: int,
        parts: int = 5,
        model_width: int = 256,
        intervals: int = 16,
        margin: float = 2.0,
        ranking_weight: float = 1.0,
        sparsity_weight: float = 0.05,
    ) -> None:
        super().__init__(windows, width)
        if parts < 1:
            raise InputError(f"TPT: parts must be at least 1, got {parts}")
        if model_width < 1 or model_width % ParsingLayer.HEADS:
            raise InputError(
                f"TPT: model_width must be a multiple of {ParsingLayer.HEADS}, the heads of the self-attention, "
                f"got {model_width}"
            )
        if not 0 <= margin * (parts + 1) <= DURATION:
            most = math.floor(100 * DURATION / (parts + 1)) / 100
            raise InputError(f"TPT: margin must lie in [0, {most}] for {parts} parts to fit into a clip, got {margin}")
        for name, weight in (("ranking_weight", ranking_weight), ("sparsity_weight", sparsity_weight)):
            if not 0 <= weight < float("inf"):
                raise InputError(f"TPT: {name} must be a number of at least 0, got {weight}")
        self.margin = margin
        self.ranking_weight = ranking_weight
        self.sparsity_weight = sparsity_weight
        self.parser = TemporalParser(width, parts, model_width)
        self.pair_encoder = nn.Sequential(
            nn.Linear(2 * model_width, model_width), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(model_width, model_width)
        )
        self.choice = nn.Sequential(nn.Linear(model_width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, intervals))
        self.position = nn.Sequential(
            nn.Linear(model_width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, intervals), nn.Sigmoid()
        )
        self.intervals = DifferenceIntervals(intervals)

    def learn_scores(self, scores: Tensor, action: Tensor) -> None:
        """Set the intervals by the training differences."""
        self.intervals.fit(pair_differences(scores, action))

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        """See `PairHead`."""
        parts, _ = self.parser(torch.cat([query, exemplar]))
        difference = likeliest_value(self.intervals, *self._compare(*parts.chunk(2)))
        return exemplar_score + difference.to(exemplar_score.dtype)

    def loss(self, query: Tensor, exemplar: Tensor, query_score: Tensor, exemplar_score: Tensor) -> Tensor:
        """CoRe's losses in both orders, plus the ranking and sparsity losses of the attention to both clips.

        Where the reference adds up the two orders, interval losses here are their mean; the two losses of the
        attention are halved as well, which keeps the reference's balance.
        """
        parts, attention = self.parser(torch.cat([query, exemplar]))
        own, other = parts.chunk(2)
        found = self._compare(torch.cat([own, other]), torch.cat([other, own]))
        difference = query_score - exemplar_score
        loss = interval_losses(self.intervals, *found, torch.cat([difference, -difference]))
        ranking, sparsity = ranking_loss(attention, self.margin), sparsity_loss(attention)
        return loss + (self.ranking_weight * ranking + self.sparsity_weight * sparsity) / 2

    def slow_parameters(self) -> list[nn.Parameter]:
        """Those of the parser and of what compares the parts, as in the reference (1e-4; the two networks 1e-3)."""
        return [*self.parser.parameters(), *self.pair_encoder.parameters()]

    @torch.no_grad()
    def attention(self, features: Tensor) -> Tensor:
        """Which windows each part was found in, [B, layers, K, W], without gradient; sums to one over the windows.

        Shapes:
            features: [B, W, C].
        """
        _, attention = self.parser(features)
        found: Tensor = attention
        return found

    def _compare(self, query: Tensor, exemplar: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities and positions [B, intervals] of s_query - s_exemplar, from parts [B, K, d]."""
        compared = self.pair_encoder(torch.cat([exemplar, query], -1)).mean(1)
        return at_least_float32(self.choice(compared)).log_softmax(-1), at_least_float32(self.position(compared))
