"""The one exception that the command line shows as a single line, without a traceback."""


class InputError(Exception):
    """Something the user gave is wrong: a file, an option, a score.

    The message is one line for a person: what is wrong, where, and what to do about it. `run.py` prints it and ends
    with exit code 2.
    """
