"""What a report is made of, before it becomes HTML or Markdown: sections of text, tables, figures and runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Cell:
    """A cell of a table; `marked` where what it says is established."""

    text: str
    marked: bool = False


@dataclass(frozen=True)
class Line:
    """A row of a table and what it is."""

    cells: Sequence[Cell]
    kind: Literal["measured", "trivial", "published", "human"] = "measured"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: its heading.
        caption: what a reader needs to understand it.
        header: one a column; the first `words` columns hold words, the others numbers.
        lines: its rows.
        words: how many columns at the left hold words.
        notes: what has to be said about it, below.
    """

    title: str
    caption: str
    header: Sequence[str]
    lines: Sequence[Line]
    words: int = 1
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        name: its file without the suffix.
        title: a few words.
        caption: what is drawn, on which data, what the axes are, what to conclude and what not.
        content: a PNG, or an SVG as text: pictures of single clips or poses are never SVG.
    """

    name: str
    title: str
    caption: str
    content: bytes | str

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.name}.{'svg' if isinstance(self.content, str) else 'png'}"


@dataclass(frozen=True)
class Gallery:
    """Figures that belong together; `folded` where they are too many to show at once."""

    title: str
    pictures: Sequence[Picture]
    text: str = ""
    folded: bool = False


@dataclass(frozen=True)
class RunLine:
    """A run in the list of runs.

    Attributes:
        name: its folder.
        state: how it went.
        facts: what else there is to say, failures first.
        command: the exact command, or what is known of it.
        config: the whole config.yaml, or in what it differs from that of the run `base`.
        base: name of the run whose config is shown in full; empty where this one's is.
    """

    name: str
    state: str
    facts: Sequence[str] = ()
    command: str = ""
    config: str = ""
    base: str = ""


@dataclass(frozen=True)
class RunList:
    """Runs of one variant."""

    title: str
    runs: Sequence[RunLine]


@dataclass(frozen=True)
class Heading:
    """What the blocks after it are about."""

    text: str


Block = str | Heading | Table | Gallery | RunList
"""Text is a paragraph."""


@dataclass(frozen=True)
class Section:
    """A section with an anchor."""

    title: str
    anchor: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: its title.
        text: what it is, in paragraphs.
        warnings: what has to be said loudly.
        facts: counts, as (what, how many).
        sections: the rest.
    """

    title: str
    text: Sequence[str]
    warnings: Sequence[str]
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=list)

    @property
    def pictures(self) -> list[Picture]:
        """Every figure of every section."""
        galleries = [block for section in self.sections for block in section.blocks if isinstance(block, Gallery)]
        return [picture for gallery in galleries for picture in gallery.pictures]
