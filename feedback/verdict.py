"""What reports on two poses and on two performances have in common."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from feedback.subjects import Subject


@dataclass(frozen=True)
class Report:
    """An attempt against the reference that it fits best.

    Attributes:
        attempt: who is compared.
        reference: with whom; of several references the best fitting one, the first of equals.
        mirrored: whether the attempt was flipped left to right to be compared.
        other_way: score of the other orientation; None if only one was asked for.
        totals: name and score of every reference, in the order given.
        percentile: see `feedback.performances.percentile`, of the attempt's best score in the group; None with fewer
            than `LEAST_GROUP`.
        group: how many of the group can be compared.
        warnings: sentences for the screen.
        model: label of the model.
    """

    attempt: Subject
    reference: Subject
    mirrored: bool
    other_way: float | None
    totals: tuple[tuple[str, float], ...]
    percentile: float | None
    group: int
    warnings: tuple[str, ...]
    model: str

    def as_json(self) -> dict[str, Any]:
        """Everything for programs; what is unknown is None."""
        scores = [score for _, score in self.totals]
        return {
            "attempt": self.attempt.name,
            "reference": self.reference.name,
            "mirrored": self.mirrored,
            "score_other_way": self.other_way,
            "references": [{"reference": name, "score": score} for name, score in self.totals],
            "spread": {"lowest": min(scores), "median": median(scores), "highest": max(scores)},
            "percentile": self.percentile,
            "group": self.group,
            "model": self.model,
            "warnings": list(self.warnings),
        }
