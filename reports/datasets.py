"""What a reader has to know of each dataset, and what others published on it; from datasets.yaml."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from settings import load_yaml


@dataclass(frozen=True)
class Published:
    """A row of somebody else's table: never measured here.

    Attributes:
        method: its name, with what it sees where that is known.
        rho: Spearman's rho.
        source: where the number stands.
        averaging: what is known of what was averaged over what.
        relative_l2: R-l2 x 100, where given.
        human: whether people reached it, not a model.
    """

    method: str
    rho: float
    source: str
    averaging: str
    relative_l2: float | None = None
    human: bool = False


@dataclass(frozen=True)
class About:
    """A dataset in words.

    Attributes:
        title: its name.
        text: what its clips are and where their scores come from.
        score: what the axis of true scores is called.
        group: what its groups are: "climber".
        published: what others found on it.
    """

    title: str
    text: str
    score: str
    group: str = "group"
    published: tuple[Published, ...] = ()


_FILE: Final = Path(__file__).with_suffix(".yaml")
_ABOUT: Final = {
    name: About(**facts | {"published": tuple(Published(**row) for row in facts.get("published", ()))})
    for name, facts in load_yaml(_FILE.read_bytes(), str(_FILE)).items()
}


def about(dataset: str, group: str | None = None) -> About:
    """What is known of a dataset.

    Args:
        dataset: name of its data module's class.
        group: what its groups are, where an option of the data module says it.
    """
    unknown = About(dataset or "Unknown data", "Nothing is known here about this dataset.", "score")
    found = _ABOUT.get(dataset, unknown)
    return replace(found, group=group) if group else found
