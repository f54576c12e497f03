"""A trained encoder as a measure of how close two poses are."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt
import torch
from torch import Tensor, nn

from errors import InputError
from feedback.explanations import random_poses
from poses.normalisation import Normalisation
from poses.skeleton import JOINTS
from run_folder.trained import load_encoder, load_normalisation
from scoring.collapse import is_collapsed
from scoring.distances import cosine_distance, score_from_distance

SHIPPED: Final = Path(__file__).resolve().parents[1] / "models" / "gcn-psn-demo.ckpt"
SYNTHETIC_LABEL: Final = "trained on synthetic poses only (models/README.md)"

_PROBES = 200


@dataclass(frozen=True)
class PoseModel:
    """Poses to embeddings on the CPU, with the normalisation that the encoder was trained with.

    Attributes:
        encoder: poses [N, 15, 2] to embeddings [N, E].
        normalisation: eq. (1) and (2), and what counts as a missing joint.
        label: for screen and pictures: what was trained on what.
        sha256: hash of the checkpoint, hexadecimal.
    """

    encoder: nn.Module
    normalisation: Normalisation
    label: str
    sha256: str

    @classmethod
    def load(cls, checkpoint: Path | None) -> "PoseModel":
        """The model of a checkpoint; None for the shipped one.

        Raises:
            InputError: no checkpoint of this project, one that takes more than coordinates, or a collapsed one, which
                would give every pair of poses the score 100.
        """
        path = SHIPPED if checkpoint is None else checkpoint
        encoder = load_encoder(path)
        model = cls(encoder, load_normalisation(path), "", hashlib.sha256(path.read_bytes()).hexdigest())
        try:
            probes = model.embed(random_poses(_PROBES, seed=0), None)
        except (RuntimeError, ValueError):
            raise InputError(
                f"{path}: its encoder does not take poses of {len(JOINTS)} joints with x and y alone; use another "
                "checkpoint"
            ) from None
        if is_collapsed(probes):
            raise InputError(
                f"{path}: the encoder has collapsed, it gives every pose the same embedding and every pair the score "
                "100; train with another seed or more channels"
            )
        shipped = model.sha256 == _shipped_hash()
        label = SYNTHETIC_LABEL if shipped else str(path)
        return cls(model.encoder, model.normalisation, label, model.sha256)

    def present(self, xy: npt.ArrayLike | Tensor, confidence: npt.ArrayLike | Tensor | None) -> Tensor:
        """Which joints [N, 15] the model would use of poses [N, 15, 2] and confidences [N, 15]."""
        return self.normalisation(*_tensors(xy, confidence))[1]

    @torch.inference_mode()
    def embed(self, xy: npt.ArrayLike | Tensor, confidence: npt.ArrayLike | Tensor | None) -> Tensor:
        """Embeddings of poses.

        Args:
            xy: [N, 15, 2] in any unit, NaN where missing.
            confidence: [N, 15] in [0, 1], NaN where unknown, or None if all are.

        Returns:
            [N, E] float32; NaN for a pose without a joint.
        """
        poses, present = self.normalisation(*_tensors(xy, confidence))
        embedding: Tensor = self.encoder(poses)
        return embedding.masked_fill(~present.any(-1, keepdim=True), torch.nan)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of embeddings [..., E], eq. (5): in [0, 2]."""
        return cosine_distance(a, b)

    def score(self, distance: Tensor) -> Tensor:
        """Score of a distance, eq. (6): in (0, 100]."""
        return score_from_distance(distance)


def _tensors(xy: Any, confidence: Any) -> tuple[Tensor, Tensor | None]:
    certainty = None if confidence is None else torch.as_tensor(confidence, dtype=torch.float32)
    return torch.as_tensor(xy, dtype=torch.float32), certainty


def _shipped_hash() -> str | None:
    return hashlib.sha256(SHIPPED.read_bytes()).hexdigest() if SHIPPED.is_file() else None
