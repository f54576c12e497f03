"""The trained model by which people are compared."""

from pathlib import Path
from typing import Final

from errors import InputError
from feedback.explanations import random_poses
from poses.skeleton import JOINTS
from run_folder.trained_model import SHIPPED, TrainedModel, load_model
from scoring.distances import is_collapsed

_PROBES: Final = 200


def load_measure(checkpoint: Path | None) -> TrainedModel:
    """The model of a checkpoint or of a run's folder; None for the shipped one.

    Raises:
        InputError: no checkpoint of this project, one that takes more than coordinates, or a collapsed one, which would
            give every pair of poses the score 100.
    """
    path = SHIPPED if checkpoint is None else checkpoint
    model = load_model(path)
    try:
        probes = model.embed(random_poses(_PROBES, seed=0))
    except (RuntimeError, ValueError):  # of a network that takes something else
        raise InputError(
            f"{path}: its encoder does not take poses of {len(JOINTS)} joints with x and y alone; use another "
            "checkpoint"
        ) from None
    if is_collapsed(probes):
        raise InputError(
            f"{path}: the encoder has collapsed, it gives every pose the same embedding and every pair the score "
            "100; train with another seed or more channels"
        )
    return model
