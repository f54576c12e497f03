from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from drawing.embedding_plane import embedding_figure, project
from drawing.pictures import pixels
from poses.batches import EmbeddedClips
from tests.drawing.test_evaluation_figure import assert_legible, words
from tests.scoring.build import make_clips


def unit(scored: EmbeddedClips) -> np.ndarray:
    rows = scored.embedding.flatten(0, 1).double().numpy()
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_agrees_with_scikit_learn_up_to_the_sign() -> None:
    scored = make_clips(30, times=7, width=9)
    found = project(scored)
    pca = PCA(2).fit(unit(scored))
    expected = pca.transform(unit(scored))
    points = found.points.numpy()
    assert np.allclose(np.abs(points), np.abs(expected), atol=1e-9)
    assert np.allclose(np.abs((points * expected).sum(0)), (expected**2).sum(0))
    assert found.explained == pytest.approx(pca.explained_variance_ratio_)
    assert found.track.tolist() == [track for track in range(30) for _ in range(7)]
    assert found.time.tolist() == list(range(7)) * 30


def test_length_does_not_matter_and_signs_are_settled() -> None:
    scored = make_clips(20)
    scaled = scored.with_embedding(scored.embedding * torch.rand(20, 6, 1).double().add(0.1))
    torch.testing.assert_close(project(scaled).points, project(scored).points)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    shuffled = project(scored[order]).points.unflatten(0, (20, 6))
    torch.testing.assert_close(shuffled, project(scored).points.unflatten(0, (20, 6))[order])


def test_evenly_picked_when_there_are_too_many() -> None:
    scored = make_clips(100, times=10)
    found = project(scored, most=250)
    assert len(found.points) == len(found.track) == len(found.time) == 250
    assert len(found.track.unique()) == 100


def test_poses_without_an_embedding_are_left_out() -> None:
    scored = make_clips(10)
    embedding = scored.embedding.clone()
    embedding[3, 2] = torch.nan
    found = project(scored.with_embedding(embedding))
    assert len(found.points) == 59
    assert found.points.isfinite().all()
    assert (3, 2) not in set(zip(found.track.tolist(), found.time.tolist(), strict=True))


@pytest.mark.parametrize("value", [0.0, 1.0, torch.nan])
def test_collapsed_embeddings_lie_on_one_point(value: float) -> None:
    scored = make_clips(5)
    found = project(scored.with_embedding(torch.full_like(scored.embedding, value)))
    assert found.points.abs().sum() < 1e-6
    assert found.explained == (0, 0)
    assert_legible(embedding_figure(found, scored, ["vault"]))


def test_one_number_is_a_plane_too() -> None:
    found = project(make_clips(5, width=1))
    assert found.points.shape == (30, 2)
    assert not found.points[:, 1].any()


@pytest.mark.parametrize("actions", [1, 6, 12, 21, 40])
def test_legible_with_any_number_of_actions(actions: int) -> None:
    scored = make_clips(80, action=torch.arange(80) % actions)
    figure = embedding_figure(
        project(scored), scored, [f"{index} somersaults with a twist" for index in range(actions)]
    )
    assert_legible(figure)
    said = words(figure)
    assert "Embeddings of 480 poses, on their two principal components" in said
    assert ("other actions" in said) == (actions > 21)


def test_clips_without_a_score_are_grey() -> None:
    scored = make_clips(4, score=torch.full((4,), torch.nan, dtype=torch.float64))
    assert_legible(embedding_figure(project(scored), scored, ["vault"]))


def test_pixels_are_those_of_the_file(tmp_path: Path) -> None:
    scored = make_clips(12)

    def figure() -> Figure:
        return embedding_figure(project(scored), scored, ["vault"])

    seen = pixels(figure())
    figure().savefig(tmp_path / "a.png")
    assert seen.dtype == np.uint8
    assert np.array_equal(seen, (matplotlib.image.imread(tmp_path / "a.png")[..., :3] * 255).round())


def test_a_script_that_the_font_lacks_is_no_complaint(recwarn: pytest.WarningsRecorder) -> None:
    scored = make_clips(12)
    pixels(embedding_figure(project(scored), scored, ["跳馬"]))
    assert not recwarn.list
