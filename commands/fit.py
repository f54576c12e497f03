"""`python run.py fit|validate|test|predict`: train a model, evaluate it, score clips by it."""

from collections.abc import Sequence

from cli.pose_cli import train


def run(arguments: Sequence[str]) -> int:
    """Do what `arguments` say: the words after `run.py`, the first being the command's name; returns the exit code."""
    return train(arguments)
