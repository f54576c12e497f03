"""Which pairs train, as a config says it."""

from dataclasses import dataclass
from typing import Literal

from errors import InputError, quoted


@dataclass(frozen=True)
class PairRule:
    """Which poses form a pair (the paper, section IV-A, with the readings it leaves open).

    Similar: two clips of one action, both scored above the median of that action's training part, at the same relative
    time. Dissimilar: clips of different actions at any two times, or clips of one action whose scores lie far apart, at
    the same relative time.

    Args:
        pairs_per_epoch: pairs in an epoch, over all processes; a multiple of their number.
        similar_share: share of similar pairs, in (0, 1).
        other_action_share: share of the dissimilar pairs that take two actions, in [0, 1]; where only one of the two
            kinds exists, that kind takes all.
        score_gap: least score difference of a dissimilar pair of one action, in standard deviations of that action's
            training scores; > 0.
        score_gap_limit: greatest such difference, in the same unit, at least `score_gap`; None for any. Just above the
            gap are the hard pairs.
        matching: "time", pairs of one action show the same relative time; "any", any two times.
        graded: pairs of one action are any two of its clips, and their Y is exp(-d), d their score difference in
            standard deviations of that action's training scores: what is wanted of their distance is (1 - Y) margin.
            Clips of different actions have Y = 0, as ever; their share is what it would be without grading.

    Raises:
        InputError: numbers out of range, or a limit of the gap where grading has none.
    """

    pairs_per_epoch: int = 10_240
    similar_share: float = 0.5
    other_action_share: float = 0.5
    score_gap: float = 1.0
    score_gap_limit: float | None = None
    matching: Literal["time", "any"] = "time"
    graded: bool = False

    def __post_init__(self) -> None:
        if self.pairs_per_epoch < 2 or not 0 < self.similar_share < 1:
            raise InputError(
                "pairs: pairs_per_epoch must be at least 2 and similar_share between 0 and 1 (both kinds are needed); "
                f"got {self.pairs_per_epoch} and {self.similar_share}"
            )
        if not 0 <= self.other_action_share <= 1 or not self.score_gap > 0:
            raise InputError(
                "pairs: other_action_share must lie in [0, 1] and score_gap be above 0; "
                f"got {self.other_action_share} and {self.score_gap}"
            )
        if self.score_gap_limit is not None and (self.graded or not self.score_gap_limit >= self.score_gap):
            raise InputError(
                f"pairs: score_gap_limit must be at least score_gap ({self.score_gap:g}); graded pairs have neither; "
                f"got {self.score_gap_limit:g}{' with graded' if self.graded else ''}"
            )
        if self.matching not in ("time", "any"):
            raise InputError(f"pairs: matching is {quoted(self.matching)}: choose time or any")


@dataclass(frozen=True)
class ExemplarRule:
    """Pairs of a query and an exemplar: two different training clips of one action.

    Args:
        pairs_per_epoch: how many an epoch has; every clip is the query equally often, to one.

    Raises:
        InputError: out of range.
    """

    pairs_per_epoch: int = 2560

    def __post_init__(self) -> None:
        if self.pairs_per_epoch < 1:
            raise InputError(f"exemplar_pairs: pairs_per_epoch must be at least 1, got {self.pairs_per_epoch}")
