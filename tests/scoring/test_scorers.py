import math

import pytest
import torch

from scoring.alignment import DTWAlignment, PhaseAlignment
from scoring.reference import ReferenceScorer
from scoring.ridge import RidgeScorer
from scoring.scorers import ClipScorer
from scoring.vote import VoteScorer
from tests.scoring.build import make_clips, subset

SCORERS = [
    ReferenceScorer(),
    ReferenceScorer(alignment=PhaseAlignment()),
    ReferenceScorer(alignment=DTWAlignment()),
    VoteScorer(),
    VoteScorer(alignment=PhaseAlignment()),
    VoteScorer(alignment=DTWAlignment()),
    RidgeScorer(),
]
every_scorer = pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.name)

PHASES = torch.tensor([[0, 0.3, 1], [0, 1, math.nan], [0, 0.6, 1]], dtype=torch.float64)[[0, 1, 2, 0, 0, 1, 2, 0]]


@every_scorer
def test_prediction_does_not_depend_on_the_other_queries(scorer: ClipScorer) -> None:
    action = torch.tensor([0, 1, 1, 0, 2, 1, 0, 0])
    queries = make_clips(8, seed=1, action=action, phases=PHASES)
    exemplars = make_clips(30, seed=2, action=torch.arange(30) % 2)
    together = scorer.predict_all(queries, exemplars)
    assert together.shape == (len(scorer.candidates), 8)
    assert together.dtype == torch.float64
    alone = [scorer.predict_all(subset(queries, q), exemplars)[:, 0] for q in range(8)]
    torch.testing.assert_close(together, torch.stack(alone, 1))
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(scorer.predict_all(queries[order], exemplars), together[:, order])
    others = queries.with_embedding(torch.where(torch.arange(8)[:, None, None] == 3, queries.embedding, 7.0))
    torch.testing.assert_close(scorer.predict_all(others, exemplars)[:, 3], together[:, 3])


@every_scorer
def test_queries_own_scores_are_never_looked_at(scorer: ClipScorer) -> None:
    queries, exemplars = make_clips(4, seed=1), make_clips(9, seed=2)
    hidden = make_clips(4, seed=1, score=torch.full((4,), math.nan, dtype=torch.float64))
    torch.testing.assert_close(scorer(hidden, exemplars), scorer(queries, exemplars))


@every_scorer
def test_exemplars_without_a_score_are_left_out(scorer: ClipScorer) -> None:
    queries, exemplars = make_clips(4, seed=1), make_clips(9, seed=2)
    score = exemplars.score.clone()
    score[[2, 5]] = math.nan
    partly = make_clips(9, seed=2, score=score)
    torch.testing.assert_close(scorer(queries, partly), scorer(queries, exemplars[score.isfinite()]))


@every_scorer
def test_action_without_exemplars_is_compared_with_all(scorer: ClipScorer) -> None:
    queries, exemplars = make_clips(3, seed=1), make_clips(9, seed=2)
    strangers = make_clips(3, seed=1, action=torch.full((3,), 4))
    torch.testing.assert_close(scorer(strangers, exemplars), scorer(queries, exemplars))


@every_scorer
def test_no_exemplars_no_queries(scorer: ClipScorer) -> None:
    clips, none = make_clips(3), make_clips(0)
    assert scorer(clips, none).isnan().all()
    assert scorer(clips, none).shape == (3,)
    assert scorer(none, clips).shape == (0,)


@pytest.mark.parametrize("scorer", [SCORERS[0], SCORERS[1], SCORERS[3], SCORERS[4]], ids=lambda scorer: scorer.name)
def test_repeating_every_pose_changes_no_prediction(scorer: ClipScorer) -> None:
    queries, exemplars = make_clips(4, seed=1), make_clips(9, seed=2)
    twice, exemplars_twice = (
        clips.with_embedding(clips.embedding.repeat_interleave(2, 1)) for clips in (queries, exemplars)
    )
    torch.testing.assert_close(scorer.predict_all(twice, exemplars_twice), scorer.predict_all(queries, exemplars))


@every_scorer
def test_broken_embedding_is_an_undefined_prediction(scorer: ClipScorer) -> None:
    queries, exemplars = make_clips(3, seed=1), make_clips(9, seed=2)
    embedding = queries.embedding.clone()
    embedding[1] = math.nan
    clean, broken = (scorer(clips, exemplars) for clips in (queries, queries.with_embedding(embedding)))
    assert broken.isnan().tolist() == [False, True, False]
    torch.testing.assert_close(broken[[0, 2]], clean[[0, 2]])


@every_scorer
def test_choice_is_the_best_candidate_and_lands_in_the_checkpoint(scorer: ClipScorer) -> None:
    queries, exemplars = make_clips(4, seed=1), make_clips(25, seed=2)
    predictions = scorer.predict_all(queries, exemplars)
    wanted = len(scorer.candidates) - 1
    scorer.choose(queries, exemplars, lambda row: -float((row - predictions[wanted]).abs().sum()))
    assert int(scorer.chosen) == wanted
    assert scorer.setting == scorer.candidates[wanted]
    torch.testing.assert_close(scorer(queries, exemplars), predictions[wanted])
    assert int(scorer.state_dict()["chosen"]) == wanted


def test_choice_of_undefined_and_equal_qualities() -> None:
    scorer, clips = ReferenceScorer((1, 2, 3, 4)), make_clips(6)

    def choose(*qualities: float) -> int:
        numbers = iter(qualities)
        scorer.choose(clips, clips, lambda row: next(numbers))
        return int(scorer.chosen)

    assert choose(math.nan, -5.0, math.nan, -6.0) == 1
    assert choose(math.nan, math.nan, math.nan, math.nan) == 1
    assert choose(1.0, 2.0, 2.0, math.nan) == 1
    assert choose(math.nan, math.nan, math.nan, -math.inf) == 3


def test_names() -> None:
    names = [scorer.name for scorer in SCORERS]
    assert names == ["reference", "reference (phase)", "reference (DTW)", "vote", "vote (phase)", "vote (DTW)", "ridge"]
    assert [scorer.calibrated for scorer in SCORERS] == [False] * 3 + [True] * 4
