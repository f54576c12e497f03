import math
from typing import Any

import numpy as np
import pytest
import torch

from errors import InputError
from scoring.alignment import IdentityAlignment
from scoring.vote import VoteScorer
from tests.scoring.build import make_clips


def test_vote_equals_slow_loop() -> None:
    exemplars, queries = make_clips(9, seed=2), make_clips(4, seed=1)
    prediction = VoteScorer((0.3, 0.05, "median")).predict_all(queries, exemplars)
    among = IdentityAlignment().distance(exemplars, exemplars)
    median = float(np.median([float(among[i, j]) for i in range(9) for j in range(i)]))
    distance = IdentityAlignment().distance(queries, exemplars)
    for row, u in enumerate((0.3, 0.05, median)):
        for q in range(4):
            kernel = [math.exp(-0.5 * (float(distance[q, e]) / u) ** 2) for e in range(9)]
            voted = sum(k * float(s) for k, s in zip(kernel, exemplars.score, strict=True)) / sum(kernel)
            assert prediction[row, q].item() == pytest.approx(voted)


def test_far_query_gets_the_score_of_the_nearest_exemplar() -> None:
    x, y = torch.eye(2, dtype=torch.float64)
    near = (-x + 0.1 * y).expand(6, 2)
    exemplars = make_clips(3, embedding=torch.stack((x.expand(6, 2), y.expand(6, 2), near)))
    query = make_clips(1, embedding=-x.expand(1, 6, 2))
    voted = VoteScorer((1e-4,))(query, exemplars)
    assert voted.item() == pytest.approx(exemplars.score[2].item())


def test_median_leaves_out_other_tracks_of_the_same_clip() -> None:
    pair = make_clips(4, clip=torch.tensor([0, 0, 1, 1]))
    among = IdentityAlignment().distance(pair, pair)
    expected = float(np.median([float(among[i, j]) for i in (0, 1) for j in (2, 3)]))
    assert VoteScorer()._median(pair) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 2, 300])
def test_any_number_of_exemplars(n: int) -> None:
    exemplars, queries = make_clips(n, seed=2), make_clips(5, seed=1)
    prediction = VoteScorer().predict_all(queries, exemplars)
    assert bool((prediction >= exemplars.score.min() - 1e-9).all())
    assert bool((prediction <= exemplars.score.max() + 1e-9).all())


def test_equal_embeddings_vote_with_equal_weights() -> None:
    same = torch.ones(4, 6, 3)
    exemplars = make_clips(4, embedding=same)
    prediction = VoteScorer().predict_all(make_clips(2, embedding=same[:2]), exemplars)
    torch.testing.assert_close(prediction, exemplars.score.mean().expand(2, 2), atol=1e-3, rtol=0)


def test_many_pairs_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    exemplars, queries = make_clips(9, seed=2), make_clips(8, seed=1)
    whole = VoteScorer().predict_all(queries, exemplars)
    monkeypatch.setattr("scoring.vote._PAIRS_AT_ONCE", 20)
    torch.testing.assert_close(VoteScorer().predict_all(queries, exemplars), whole)


@pytest.mark.parametrize("u", [(0.0,), (-1.0,), ("mean",), (math.nan,)])
def test_wrong_widths(u: Any) -> None:
    with pytest.raises(InputError, match="above 0"):
        VoteScorer(u)
