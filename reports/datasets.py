"""What a reader has to know of each dataset, in a few words."""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True)
class About:
    """A dataset in words.

    Attributes:
        title: its name.
        text: what its clips are and where their scores come from.
        score: what the axis of true scores is called.
        group: what its groups are: "climber".
    """

    title: str
    text: str
    score: str
    group: str = "group"


_ABOUT: Final = {
    "Demo": About(
        "Synthetic demo poses",
        "Made-up bodies perform six made-up actions with known faults; the larger the faults, the lower the score. It "
        "shows that the program works and says nothing about real people.",
        "synthetic score",
        "made-up performer",
    ),
    "AQA7": About(
        "AQA-7",
        "Olympic performances, scored by judges; the official Split_4: six sports, 803 training and 303 test clips.",
        "judges' score",
    ),
    "FineDiving": About(
        "FineDiving", "3,000 competition dives, scored by judges; the score includes the difficulty.", "judges' score",
        "event",
    ),
    "Speed21": About(
        "SPEED21",
        "Real speed-climbing runs on the standard wall, each with the poses of one climber; the score is the negated "
        "official time in seconds, so that higher is better. Clip length is hidden from every predictor: it would give "
        "the time away.",
        "minus the official time (s)",
    ),
    "KeypointFolder": About("Own clips", "Clips and scores of the user's own table.", "score"),
}  # fmt: skip


def about(dataset: str, group: str | None = None) -> About:
    """What is known of a dataset.

    Args:
        dataset: name of its data module's class.
        group: what its groups are, where an option of the data module says it.
    """
    unknown = About(dataset or "Unknown data", "Nothing is known here about this dataset.", "score")
    found = _ABOUT.get(dataset, unknown)
    return replace(found, group=group) if group else found
