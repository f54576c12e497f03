import math

import pytest
import torch

from errors import InputError
from scoring.alignment import IdentityAlignment
from scoring.reference import ReferenceScorer
from tests.scoring.build import make_clips


def test_mean_score_over_the_best_exemplars_of_the_action() -> None:
    exemplars = make_clips(9, seed=2, action=torch.tensor([0, 0, 1, 0, 0, 0, 1, 0, 0]))
    queries = make_clips(4, seed=1, action=torch.tensor([1, 0, 0, 1]))
    prediction = ReferenceScorer((1, 3, 50), u=0.4).predict_all(queries, exemplars)
    scores = IdentityAlignment()(queries, exemplars, u=0.4).score
    for q in range(4):
        own = [e for e in range(9) if exemplars.action[e] == queries.action[q]]
        own.sort(key=lambda e: -float(exemplars.score[e]))
        for row, k in enumerate((1, 3, 50)):
            expected = sum(float(scores[q, e]) for e in own[:k]) / len(own[:k])
            assert prediction[row, q].item() == pytest.approx(expected)


def test_equal_scores_the_earlier_counts_as_better() -> None:
    exemplars = make_clips(3, seed=2, score=torch.tensor([5.0, 7.0, 7.0], dtype=torch.float64))
    scorer = ReferenceScorer((1,))
    assert scorer(exemplars, exemplars)[1].item() == pytest.approx(100)
    assert scorer(exemplars, exemplars)[2].item() < 99


def test_the_best_clip_scores_itself_highest() -> None:
    clips = make_clips(20)
    prediction = ReferenceScorer((1,))(clips, clips)
    assert prediction.argmax() == clips.score.argmax()
    assert bool(((prediction > 0) & (prediction <= 100)).all())


@pytest.mark.parametrize(("k", "u"), [((0,), 0.3), ((1, 1), 0.3), ((), 0.3), ((1,), 0.0), ((1,), math.nan)])
def test_wrong_settings(k: tuple[int, ...], u: float) -> None:
    with pytest.raises(InputError, match=r"needs at least one|1 or more"):
        ReferenceScorer(k, u=u)
