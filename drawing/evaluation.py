"""The figure of an evaluation."""
from pathlib import Path


def save_figure(path, evaluation, scored, action_names):
    pass
