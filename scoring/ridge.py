"""The *ridge* scorer: ridge regression from the embeddings of a clip's poses to its score."""

from collections.abc import Sequence

import torch
from torch import Tensor

from errors import InputError
from poses.batches import EmbeddedClips
from scoring.distances import unit
from scoring.scorers import ClipScorer

# Eigenvalues once cost as much as this many Cholesky factors.
_FACTORS = 16


def ridge(features: Tensor, scores: Tensor, query_features: Tensor, lambdas: Sequence[float]) -> Tensor:
    """Ridge regression, min |y - X w - b|^2 + lambda |w|^2, with an unpenalised intercept b.

    Solved in float64, in the dual form when there are more features than clips. Clips with a feature or a score that is
    not finite are left out.

    Shapes:
        features: [n, F].
        scores: [n].
        query_features: [m, F].
        lambdas: L numbers above 0.

    Returns:
        [L, m] float64, predictions for the queries; NaN if no clip is left.
    """
    if not all(penalty > 0 for penalty in lambdas):
        raise ValueError(f"lambdas must be above 0, but are {tuple(lambdas)}")
    known = features.isfinite().all(1) & scores.isfinite()
    x, y = features[known].double(), scores[known].double()
    if not len(y):
        return query_features.new_full((len(lambdas), len(query_features)), torch.nan, dtype=torch.float64)
    centre, level = x.mean(0), y.mean()
    x, y = x - centre, y - level
    dual = x.shape[1] > len(x)
    solved = _shifted_solve(x @ x.T, y, lambdas) if dual else _shifted_solve(x.T @ x, x.T @ y, lambdas)
    weights = solved @ x if dual else solved
    return weights @ query_features.double().T - (weights @ centre)[:, None] + level


def _shifted_solve(matrix: Tensor, right: Tensor, shifts: Sequence[float]) -> Tensor:
    """Solutions [L, k] of (matrix + shift I) v = right for a symmetric matrix [k, k] and L shifts."""
    if len(shifts) > _FACTORS:
        values, vectors = torch.linalg.eigh(matrix)
        raised = values.clamp(min=0) + torch.tensor(shifts, dtype=matrix.dtype, device=matrix.device)[:, None]
        solved: Tensor = (vectors.T @ right / raised) @ vectors.T
        return solved
    diagonal = matrix.diagonal().clone()
    solutions = []
    for shift in shifts:
        matrix.diagonal().copy_(diagonal + shift)
        solutions.append(torch.cholesky_solve(right[:, None], torch.linalg.cholesky(matrix))[:, 0])
    return torch.stack(solutions)


class RidgeScorer(ClipScorer):
    """Ridge regression per action on the unit embeddings of the T poses, flattened to T x E features.

    Tells what the embedding holds, apart from what a distance between clips makes of it.

    Args:
        lambdas: candidates for the penalty.
    """

    name = "ridge"
    calibrated = True

    def __init__(self, lambdas: tuple[float, ...] = (0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)):
        super().__init__(tuple(lambdas))
        if not all(penalty > 0 for penalty in lambdas):
            raise InputError(f"lambdas must be above 0, but are {lambdas}")
        self.lambdas = tuple(lambdas)

    def predict_action(self, queries: EmbeddedClips, exemplars: EmbeddedClips) -> Tensor:
        """See `ClipScorer`."""
        features, query_features = (unit(clips.embedding).flatten(1) for clips in (exemplars, queries))
        return ridge(features, exemplars.score, query_features, self.lambdas)
