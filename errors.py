"""The one exception that the command line shows as a single line, without a traceback, and words for it."""

from collections.abc import Sequence


class InputError(Exception):
    """Something the user gave is wrong: a file, an option, a score.

    The message is one line for a person: what is wrong, where, and what to do about it. `run.py` prints it and ends
    with exit code 2.
    """


def some(names: Sequence[str]) -> str:
    """The first three names and how many more there are, for a message."""
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
