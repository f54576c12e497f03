"""The one exception that the command line shows as a single line, without a traceback, and words for it."""

import re
from collections.abc import Sequence

QUOTED = 60
"""Characters of a value that a message repeats at the most."""


class InputError(Exception):
    """Something the user gave is wrong: a file, an option, a score.

    The message is one line for a person: what is wrong, where, and what to do about it. `run.py` prints it and ends
    with exit code 2.
    """


def quoted(value: object) -> str:
    """A value as Python writes it, for a message; of a long one the beginning."""
    return shortened(repr(value))


def shortened(text: str) -> str:
    """The text, or its beginning and an ellipsis: `QUOTED` characters at the most."""
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."


def some(names: Sequence[str]) -> str:
    """The first three names and how many more there are, for a message."""
    return ", ".join(map(quoted, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def counted(number: int, one: str, many: str = "") -> str:
    """Such as "1 frame" and "2 frames"."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def one_line(message: str) -> str:
    """The message as it goes on the screen: without line breaks, control characters, endless numbers and words."""
    words = "".join(one if one.isprintable() else repr(one)[1:-1] for one in " ".join(message.split()))
    return re.sub(rf"\d{{{QUOTED + 1},}}|\S{{{5 * QUOTED},}}[^\s:;,]", lambda word: shortened(word[0]), words)
