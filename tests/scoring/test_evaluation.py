import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

from poses.batches import EmbeddedClips
from scoring.evaluation import Evaluation, Row, clip_table, evaluate
from scoring.trivial import CLASS_MEAN, DIFFICULTY, RAW_RIDGE
from tests.scoring.build import make_clips, scipy_rho

NAN = math.nan


def row(evaluation: Evaluation, name: str) -> Row:
    return next(row for row in evaluation.rows if row.name == name)


def two_sports(n: int = 40, **known: Any) -> tuple[EmbeddedClips, EmbeddedClips]:
    """Queries and exemplars of two actions whose scores lie in 0..1 and 100..200."""
    both = []
    for seed in (1, 2):
        action = torch.arange(n) % 2
        score = make_clips(n, seed=seed).score / 100
        both.append(make_clips(n, seed=seed, action=action, score=score + action * (100 + 99 * score), **known))
    return both[0], both[1]


def noisy(queries: EmbeddedClips, noise: float = 0.3) -> torch.Tensor:
    random = torch.randn(len(queries), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return queries.score + noise * random * torch.where(queries.action == 0, 1, 100)


def test_headline_over_actions() -> None:
    queries, exemplars = two_sports()
    prediction = noisy(queries)
    result = evaluate(queries, exemplars, {"mine": prediction}, "fisher", ["low", "high"])
    mine = row(result, "mine")
    rhos, errors = [], []
    for action in (0, 1):
        p, s = (x[queries.action == action].numpy() for x in (prediction, queries.score))
        rhos.append(scipy_rho(p, s))
        errors.append(100 * np.mean(((p - s) / (s.max() - s.min())) ** 2))
    assert mine.rho == mine.fisher_rho == pytest.approx(np.tanh(np.mean(np.arctanh(rhos))))
    assert mine.relative_l2 == pytest.approx(np.mean(errors))
    assert mine.rho is not None
    assert mine.by_clip is not None
    assert mine.by_clip[0] < mine.rho < mine.by_clip[1]
    assert mine.by_group is None
    assert mine.execution_rho is None
    assert [(r.action, r.clips) for r in result.actions] == [("low", 20), ("high", 20)]
    assert [r.rho for r in result.actions] == pytest.approx(rhos)
    assert [r.relative_l2 for r in result.actions] == pytest.approx(errors)
    for own in result.actions:
        assert own.rho is not None
        assert own.by_clip is not None
        assert own.by_clip[0] < own.rho < own.by_clip[1]


def test_pooled_rho_over_actions_is_normalised_by_the_training_range() -> None:
    queries, exemplars = two_sports()
    prediction = noisy(queries)
    mine = row(evaluate(queries, exemplars, {"mine": prediction}, "fisher", ["low", "high"]), "mine")
    p, s = prediction.clone(), queries.score.clone()
    for action in (0, 1):
        own = exemplars.score[exemplars.action == action]
        for values in (p, s):
            members = queries.action == action
            values[members] = (values[members] - own.min()) / (own.max() - own.min())
    assert mine.pooled_rho == pytest.approx(scipy_rho(p, s))
    assert mine.pooled_rho is not None
    assert mine.pooled_rho < scipy_rho(prediction, queries.score)


def test_pooled_headline_takes_numbers_as_they_are() -> None:
    queries, exemplars = two_sports()
    prediction = noisy(queries)
    mine = row(evaluate(queries, exemplars, {"mine": prediction}, "pooled", ["low", "high"]), "mine")
    assert mine.rho == mine.pooled_rho == pytest.approx(scipy_rho(prediction, queries.score))
    extent = queries.score.max() - queries.score.min()
    assert mine.relative_l2 == pytest.approx(100 * float(((prediction - queries.score) / extent).square().mean()))


def test_predictor_off_the_scale_is_judged_by_order_alone() -> None:
    queries, exemplars = two_sports()
    prediction = noisy(queries)
    bent = torch.where(queries.action == 0, 1e3 * prediction.exp(), -1e9 + prediction)
    result = evaluate(
        queries,
        exemplars,
        {"mine": prediction, "bent": bent},
        "fisher",
        ["a", "b"],
        calibrated={"mine": True, "bent": False},
    )
    mine, other = row(result, "mine"), row(result, "bent")
    assert other.rho == mine.rho
    assert other.relative_l2 is None
    assert other.pooled_rho == pytest.approx(mine.pooled_rho, abs=0.1)


def test_execution_divides_scores_and_calibrated_predictions_by_the_difficulty() -> None:
    difficulty = 1 + 3 * torch.rand(30, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    difficulty[3] = NAN
    queries, exemplars = make_clips(30, seed=1, difficulty=difficulty), make_clips(30, seed=2, difficulty=difficulty)
    prediction = queries.score + 20 * torch.randn(30, dtype=torch.float64)
    result = evaluate(
        queries, exemplars, {"mine": prediction, "ranks": prediction}, "pooled", ["dive"], calibrated={"ranks": False}
    )
    known = difficulty.isfinite()
    execution = (queries.score / difficulty)[known]
    assert row(result, "mine").execution_rho == pytest.approx(scipy_rho((prediction / difficulty)[known], execution))
    assert row(result, "ranks").execution_rho == pytest.approx(scipy_rho(prediction[known], execution))
    assert row(result, DIFFICULTY).relative_l2 is None


def test_groups_widen_the_interval_and_are_counted() -> None:
    group = torch.arange(60) // 10
    shared = torch.randn(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[group]
    own = torch.randn(2, 60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    queries = make_clips(60, seed=1, group=group, score=3 * shared + own[0])
    result = evaluate(queries, make_clips(9, seed=2), {"mine": 3 * shared + own[1]}, "pooled", ["run"])
    mine = row(result, "mine")
    assert result.groups == 6
    assert mine.by_clip is not None
    assert mine.by_group is not None
    assert mine.by_group[1] - mine.by_group[0] > mine.by_clip[1] - mine.by_clip[0]


def test_tracks_are_averaged_copies_and_unknown_scores_left_out() -> None:
    track = torch.tensor([0, 1, 2, 3, 4, 5, 2, 0])
    clip = torch.tensor([4, 4, 0, 1, 2, 3, 0, 4])
    score = torch.tensor([9.0, 9, 1, 2, 3, NAN, 1, 9], dtype=torch.float64)
    queries = make_clips(8, track=track, clip=clip, score=score)
    prediction = torch.tensor([5.0, 7, 1, 2, 3, 100, 1, 5])
    table = clip_table(queries, {"mine": prediction})
    assert table.clip.tolist() == [0, 1, 2, 3, 4]
    assert table.predictions["mine"].tolist() == [1, 2, 3, 100, 6]
    assert table.score.nan_to_num(-1).tolist() == [1, 2, 3, -1, 9]
    result = evaluate(queries, make_clips(5), {"mine": prediction}, "pooled", ["run"])
    assert result.clips == 4
    assert row(result, "mine").rho == pytest.approx(1)
    assert result.table.predictions["mine"].tolist() == [1, 2, 3, 100, 6]


def test_rows_and_json() -> None:
    queries, exemplars = (
        make_clips(12, seed=seed, group=torch.arange(12) // 4, covariates=torch.arange(12)[:, None] % 3)
        for seed in (1, 2)
    )
    predictions = {"reference": noisy(queries), "constant": torch.ones(12)}
    result = evaluate(
        queries, exemplars, predictions, "fisher", ["run"], ["side"], {"reference": False}, synthetic=True
    )
    assert [r.name for r in result.rows] == ["reference", "constant", CLASS_MEAN, "mean by side", RAW_RIDGE]
    assert [r.trivial for r in result.rows] == [False, False, True, True, True]
    assert row(result, "constant").rho is None
    assert row(result, "constant").by_clip is None
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert written["synthetic"] is True
    assert written["clips"] == 12
    assert written["rows"][0]["name"] == "reference"
    assert "table" not in written


def test_intervals_are_seeded() -> None:
    queries, exemplars = two_sports()
    first, again, other = (
        evaluate(queries, exemplars, {"mine": noisy(queries)}, "fisher", ["a", "b"], seed=seed).rows[0].by_clip
        for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("headline", ["fisher", "pooled"])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_clips(headline: Any, n: int) -> None:
    queries = make_clips(n, difficulty=torch.ones(n, dtype=torch.float64))
    result = evaluate(queries, make_clips(4), {"mine": queries.score}, headline, ["run"])
    assert result.clips == n
    assert json.dumps(result.to_json(), allow_nan=False)
    assert (result.rows[0].rho is None) == (n < 2)


@pytest.mark.parametrize("headline", ["fisher", "pooled"])
def test_scores_that_say_nothing(headline: Any) -> None:
    for score in (torch.full((6,), NAN, dtype=torch.float64), torch.full((6,), 5.0, dtype=torch.float64)):
        clips = make_clips(6, score=score, action=torch.arange(6) % 2)
        result = evaluate(clips, clips, {"mine": torch.arange(6.0)}, headline, ["a", "b"])
        assert result.rows[0].rho is None
        assert json.dumps(result.to_json(), allow_nan=False)


def test_prediction_that_is_nan_makes_its_numbers_undefined_and_no_others() -> None:
    queries, exemplars = two_sports()
    broken = noisy(queries)
    broken[0] = NAN
    result = evaluate(
        queries,
        exemplars,
        {"mine": noisy(queries), "broken": broken},
        "pooled",
        ["a", "b"],
        calibrated={"broken": False},
    )
    assert row(result, "broken").rho is None
    assert row(result, "mine").rho is not None


def test_a_constant_per_sport_on_aqa7(aqa7_root: Path) -> None:
    """The published caution: raw scores pooled over sports reward knowing the sport."""

    def read(part: str) -> EmbeddedClips:
        rows = scipy.io.loadmat(aqa7_root / "Split_4" / f"split_4_{part}_list.mat")[f"consolidated_{part}_list"]
        action, score = torch.from_numpy(rows[:, 0].astype(np.int64)) - 1, torch.from_numpy(rows[:, 2].copy())
        return make_clips(len(rows), action=action, score=score)

    test, train = read("test"), read("train")
    names = ["diving", "gym_vault", "ski_big_air", "snowboard_big_air", "sync_diving_3m", "sync_diving_10m"]
    normalised = row(evaluate(test, train, {}, "fisher", names), CLASS_MEAN)
    assert normalised.pooled_rho == pytest.approx(0.246, abs=0.0005)
    assert normalised.rho is None
    assert row(evaluate(test, train, {}, "pooled", names), CLASS_MEAN).rho == pytest.approx(0.837, abs=0.0005)
