"""`python run.py fit|validate|test|predict`: train a model, evaluate it, score clips by it."""

from collections.abc import Sequence

from cli.pose_cli import train


def run(arguments: Sequence[str]) -> int:
    """Train, validate, test or predict, as the first word says."""
    return train(arguments)
