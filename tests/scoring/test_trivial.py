import math
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import Ridge

from poses.batches import EmbeddedClips
from scoring.trivial import CLASS_MEAN, DIFFICULTY, RAW_RIDGE, trivial_predictions
from tests.scoring.build import make_clips

NAN = math.nan


def training(**known: Any) -> EmbeddedClips:
    return make_clips(
        6,
        seed=2,
        score=torch.tensor([10.0, 20, 40, NAN, 50, 50], dtype=torch.float64),
        action=torch.tensor([0, 0, 1, 0, 1, 1]),
        clip=torch.tensor([0, 1, 2, 3, 4, 4]),
        **known,
    )


def test_class_mean_counts_a_clip_with_two_tracks_once() -> None:
    queries = make_clips(3, action=torch.tensor([1, 0, 7]))
    assert trivial_predictions(queries, training())[CLASS_MEAN].tolist() == [45, 15, 30]


def test_difficulty_alone() -> None:
    exemplars = training(difficulty=torch.tensor([2.0, 3, NAN, 9, 4, 4], dtype=torch.float64))
    queries = make_clips(3, difficulty=torch.tensor([1.5, NAN, 2.5], dtype=torch.float64))
    assert trivial_predictions(queries, exemplars)[DIFFICULTY].tolist() == [1.5, 3, 2.5]
    assert DIFFICULTY not in trivial_predictions(make_clips(3), exemplars)


def test_mean_by_covariate() -> None:
    exemplars = training(covariates=torch.tensor([[0, 5], [0, 5], [3, 5], [3, 1], [-1, 5], [-1, 5]]))
    queries = make_clips(4, covariates=torch.tensor([[0, 5], [3, 1], [2, 9], [-1, 5]]))
    predictions = trivial_predictions(queries, exemplars, ["side", "event"])
    assert predictions["mean by side"].tolist() == [15, 40, 30, 30]
    assert predictions["mean by event"].tolist() == [30, 30, 30, 30]


def test_covariate_that_no_exemplar_has() -> None:
    exemplars = training(covariates=torch.full((6, 1), -1))
    predictions = trivial_predictions(make_clips(2, covariates=torch.tensor([[0], [1]])), exemplars, ["side"])
    assert predictions["mean by side"].tolist() == [30, 30]


def test_ridge_on_raw_coordinates_equals_sklearn_per_action() -> None:
    action = torch.arange(20) % 2
    exemplars, queries = make_clips(20, seed=2, action=action), make_clips(20, seed=1, action=action)
    prediction = trivial_predictions(queries, exemplars)[RAW_RIDGE]
    for one in (0, 1):
        x, q = (clips.poses[action == one].double().flatten(1).numpy() for clips in (exemplars, queries))
        expected = Ridge(30).fit(x, exemplars.score[action == one]).predict(q)
        np.testing.assert_allclose(prediction[action == one], expected)


def test_ridge_looks_at_coordinates_only() -> None:
    poses = torch.rand(20, 6, 15, 3)
    exemplars, flat = make_clips(20, poses=poses), make_clips(20, poses=poses[..., :2])
    torch.testing.assert_close(
        trivial_predictions(exemplars, exemplars)[RAW_RIDGE], trivial_predictions(flat, flat)[RAW_RIDGE]
    )


def test_nothing_to_fit() -> None:
    queries = make_clips(2, covariates=torch.zeros(2, 1, dtype=torch.int64))
    exemplars = training(covariates=torch.zeros(6, 1, dtype=torch.int64))[torch.tensor([3])]
    predictions = trivial_predictions(queries, exemplars, ["side"])
    assert list(predictions) == [CLASS_MEAN, "mean by side", RAW_RIDGE]
    assert all(prediction.isnan().all() for prediction in predictions.values())


def test_predictions_do_not_depend_on_embeddings_or_other_queries() -> None:
    queries, exemplars = make_clips(9, seed=1), training()
    together = trivial_predictions(queries, exemplars)
    alone = trivial_predictions(queries.with_embedding(torch.ones(9, 6, 5))[torch.tensor([4])], exemplars)
    for name, prediction in alone.items():
        torch.testing.assert_close(together[name][4:5], prediction)
