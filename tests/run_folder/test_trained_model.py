import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import yaml

from datamodules.demo import Demo
from errors import InputError
from feedback.explanations import random_poses
from lightning_modules.clip_model import ClipModel
from poses.cache.keypoint_cache import PoseTable, read_cache
from poses.normalisation import Normalisation
from run_folder import SHIPPED, TrainedModel, load_model
from run_folder.checkpoint_io import load_checkpoint
from run_folder.trained import build_own, load_encoder
from run_folder.trained_model import SYNTHETIC_LABEL
from scoring.distances import cosine_distance, score_from_distance
from scoring.scorers import ClipScorer
from scoring.vote import VoteScorer
from tests.conftest import REPO
from tests.run_folder.forged import forged

SCORERS = [{"class_path": "scoring.reference.ReferenceScorer"}, {"class_path": "scoring.ridge.RidgeScorer"}]
ENCODER = {"class_path": "lightning_modules.encoders.GCNEncoder", "init_args": {"channels": 8}}
SIMILARITY = {
    "class_path": "lightning_modules.pose_similarity.PoseSimilarity",
    "init_args": {"encoder": ENCODER, "scorers": SCORERS},
}
SEGMENTS = {
    **SIMILARITY,
    "init_args": {
        **cast(dict, SIMILARITY["init_args"]),
        "temporal_head": {"class_path": "lightning_modules.temporal.SegmentMean", "init_args": {"segments": 4}},
    },
}


def regression(source: str, **arguments: object) -> dict[str, Any]:
    return {
        "class_path": "lightning_modules.exemplar_regression.ExemplarRegression",
        "init_args": {
            "source": {"class_path": f"lightning_modules.sources.{source}", "init_args": arguments},
            "head": {"class_path": "lightning_modules.heads.core.CoRe", "init_args": {"hidden": 8}},
            "exemplars": 3,
            "scorers": SCORERS,
        },
    }


EMBEDDINGS = regression("PoseEmbeddings", encoder=ENCODER, windows=4, length=2)
COORDINATES = regression("Coordinates", windows=4, length=2)


def saved(model: dict[str, Any], folder: Path, **data: object) -> tuple[ClipModel, Path]:
    """A model as it is before training, but for the scorers' choice, and the folder of its run."""
    torch.manual_seed(0)
    made: ClipModel = build_own(ClipModel, model, "the model")
    for scorer in made.scorers:
        scorer.chosen.fill_(len(cast(ClipScorer, scorer).candidates) - 1)  # type: ignore[operator]
    (folder / "checkpoints").mkdir(parents=True)
    config = yaml.safe_dump({"model": model, "data": {"class_path": "datamodules.demo.Demo", "init_args": data}})
    content = {"state_dict": made.state_dict(), "global_step": 1, "config": config}
    torch.save(content, folder / "checkpoints" / "best.ckpt")
    return made.eval(), folder


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return load_model(SHIPPED)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """48 clips, seen at 8 relative times."""
    data = Demo(root=str(tmp_path_factory.mktemp("demo")), clips=48, frames_per_clip=8)
    data.prepare_data()
    data.setup("test")
    return data


def test_the_card_and_the_shipped_checkpoint_agree(model: TrainedModel) -> None:
    card = (REPO / "models" / "README.md").read_text()
    content = SHIPPED.read_bytes()
    (hashed,) = re.findall(r"`([0-9a-f]{64})`", card)
    assert hashed == hashlib.sha256(content).hexdigest()
    assert f"{len(content):,} bytes" in card
    assert len(content) < 200_000
    config = model.config
    assert config == yaml.safe_load(load_checkpoint(SHIPPED)["config"])
    assert config["data"]["class_path"] == "datamodules.demo.Demo"
    assert f"{config['data']['init_args']['clips']:,} performances" in card
    assert f"{config['model']['init_args']['encoder']['init_args']['channels']} channels" in card
    assert model.label == SYNTHETIC_LABEL


def test_nothing_of_lightning_is_loaded() -> None:
    code = (
        "import sys, numpy as np, run_folder\n"
        "model = run_folder.load_model(run_folder.SHIPPED)\n"
        "model.score(np.random.rand(15, 2), np.random.rand(15, 2))\n"
        "assert not {'lightning', 'torchmetrics', 'matplotlib', 'wandb', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO)


# Poses ----------------------------------------------------------------------------------------------------------------


def test_it_embeds_as_its_encoder_does(model: TrainedModel) -> None:
    poses = random_poses(50, seed=3) * 90 + 40
    with torch.inference_mode():
        wanted = load_encoder(SHIPPED)(Normalisation()(poses, None)[0])
    torch.testing.assert_close(model.embed(poses), wanted)
    confidence = np.ones((50, 15), np.float32)
    confidence[:, 4] = 0.1
    sure, hidden = torch.from_numpy(confidence), poses.clone()
    hidden[:, 4] = torch.nan
    torch.testing.assert_close(model.embed(poses, sure), model.embed(hidden))
    torch.testing.assert_close(model.masked(poses, sure), hidden, equal_nan=True)
    assert not model.present(poses, sure)[:, 4].any()
    hidden[7] = torch.nan
    assert model.embed(hidden).isnan().all(-1).nonzero().flatten().tolist() == [7]


def test_arrays_of_any_leading_shape_give_arrays(model: TrainedModel) -> None:
    poses = (random_poses(6, seed=3) * 90 + 40).double()
    expected = model.embed(poses)
    for array in (poses.numpy(), poses.numpy().astype(np.float32), poses.tolist()):
        embedding = model.embed(array)
        assert isinstance(embedding, np.ndarray)
        assert embedding.dtype == np.float32
        np.testing.assert_allclose(embedding, expected, atol=1e-6)
    assert model.embed(poses.view(2, 3, 15, 2).numpy()).shape == (2, 3, 50)
    assert model.embed(poses[0].numpy()).shape == (50,)
    assert model.embed(poses[:0].numpy()).shape == (0, 50)
    assert isinstance(model.score(poses[0].numpy(), poses[1].numpy()), np.float64)
    assert model.score(poses[:, None], poses).shape == (6, 6)
    assert model.present(poses.numpy()).dtype == np.bool_
    model.embed(poses).requires_grad_().sum().backward()  # no inference tensor: a head can be trained on it


def test_scores_have_a_sensible_scale(model: TrainedModel) -> None:
    poses = random_poses(300, seed=1) * 100
    noise = torch.randn(poses.shape, generator=torch.Generator().manual_seed(0))
    assert model.score(poses, poses).min() > 99.99
    assert model.score(poses, poses + 2 * noise).median() > 95
    assert model.score(poses[:-1], poses[1:]).median() < 15


def test_a_joint_that_one_lacks_is_left_out_of_both(model: TrainedModel) -> None:
    poses = random_poses(7, seed=5) * 100
    others = poses.roll(1, 0)
    poses[2, 3], others[4, 9] = torch.nan, torch.inf
    distance = model.distance(poses, others)
    for n in range(7):
        one, other = poses[n].clone(), others[n].clone()
        hidden = ~(one.isfinite() & other.isfinite()).all(-1)
        assert hidden.sum() == (n in (2, 4)) + 0
        one[hidden] = other[hidden] = torch.nan
        expected = cosine_distance(model.embed(one).double(), model.embed(other).double())
        torch.testing.assert_close(distance[n], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(model.score(poses, others), score_from_distance(distance))
    assert model.distance(torch.full((15, 2), torch.nan), poses[0]).isnan()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda model: model.embed(np.zeros((4, 17, 2))), "17 joints, expected the 15 of poses.JOINTS; poses.convert"),
        (lambda model: model.score(np.zeros((15, 2)), np.zeros((16, 2))), "16 joints, expected"),
        (lambda model: model.embed(np.zeros((15, 3))), "3 numbers a joint, expected x and y; confidences"),
        (lambda model: model.embed(np.zeros((4, 15, 2)), np.zeros(15)), r"confidences must have shape \[4, 15\]"),
        (lambda model: model.embed([["a", "b"]] * 15), "poses: give numbers"),
    ],
)
def test_wrong_poses_are_told(call: Callable[[TrainedModel], object], says: str, model: TrainedModel) -> None:
    with pytest.raises(ValueError, match=says):
        call(model)


# Clips ----------------------------------------------------------------------------------------------------------------


def as_test_scores(made: ClipModel, data: Demo) -> dict[str, Any]:
    """What `test` predicts for every track, by scorer."""
    for number, loader in enumerate(data.test_dataloader()):
        for i, batch in enumerate(loader):
            with torch.no_grad():
                made.predict_step(batch, i, number)
    exemplars, queries = made.exemplars.gather(), made.queries.gather()
    first = torch.unique(queries.clip, return_inverse=True)[1]
    found = {}
    for scorer in made.scorers:
        prediction = scorer(queries, exemplars)
        found[str(scorer.name)] = [prediction[first == clip].mean().item() for clip in first.unique()]
    return found


@pytest.mark.parametrize("settings", [SIMILARITY, SEGMENTS, EMBEDDINGS, COORDINATES])
def test_clips_are_scored_as_test_scores_them(settings: dict[str, Any], demo: Demo, tmp_path: Path) -> None:
    made, run = saved(settings, tmp_path / "run", frames_per_clip=8)
    model = load_model(run)
    known = [clip for clip, part in zip(demo.clips, demo.part, strict=True) if part != "query"]
    asked = [clip for clip, part in zip(demo.clips, demo.part, strict=True) if part == "query"]
    clips, exemplars = (read_cache(demo.cache, [clip.clip_id for clip in part]) for part in (asked, known))
    actions = [[clip.action for clip in part] for part in (asked, known)]
    scores = [clip.score for clip in known]
    predicted = model.score_clips(clips, exemplars, scores, actions=actions[0], exemplar_actions=actions[1])
    expected = as_test_scores(made, demo)
    assert list(predicted) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(predicted[name], values, rtol=1e-5, err_msg=name)
    assert model.embed_clips(clips).shape[1] == (8 if settings is SIMILARITY else 4)


def arrays(count: int, seed: int = 0) -> list[np.ndarray]:
    """Clips of 5 to 9 frames."""
    random = np.random.default_rng(seed)
    return [100 * random.random((5 + n % 5, 15, 2)) for n in range(count)]


def test_a_model_that_regresses_scores_embeds_poses_by_its_source(tmp_path: Path) -> None:
    made, run = saved(EMBEDDINGS, tmp_path / "run")
    model, poses = load_model(run), random_poses(6, seed=0).view(2, 3, 15, 2)
    normalised, _ = model.normalisation(poses, None)
    torch.testing.assert_close(model.embed(poses), cast(Any, made).source.embed(normalised).detach())
    assert model.embed(poses[0, 0]).shape == (50,)
    assert model.embed(poses[:0]).shape == (0, 3, 50)
    assert model(poses).requires_grad


def test_arrays_are_scored_as_their_cache_is(tmp_path: Path) -> None:
    _, run = saved(SIMILARITY, tmp_path / "run")
    model = load_model(run / "checkpoints" / "best.ckpt")
    assert model.moments == 20
    clips, exemplars = arrays(3, 1), arrays(6, 2)
    exemplars[0][2:4] = np.nan
    predicted = model.score_clips(clips, exemplars, np.arange(6))
    tables = PoseTable.of([torch.from_numpy(clip) for clip in clips]), PoseTable.of(exemplars)
    again = model.score_clips(*tables, torch.arange(6.0))
    assert predicted["reference"].shape == (3,)
    for name, values in again.items():
        np.testing.assert_array_equal(values, predicted[name])
    voted = model.score_clips(clips, exemplars, np.arange(6), scorers=[VoteScorer()])
    assert list(voted) == ["vote"]
    assert np.all((voted["vote"] >= 0) & (voted["vote"] <= 5))
    own = model.score_clips(clips, exemplars, np.arange(6), actions=["a", "b", "c"], exemplar_actions=["a", "b"] * 3)
    alone = model.score_clips(clips[:1], exemplars[::2], [0, 2, 4])
    np.testing.assert_allclose(own["reference"][0], alone["reference"][0])
    np.testing.assert_allclose(own["reference"][2], predicted["reference"][2])  # nobody shows c: all serve


def test_scores_of_regression_are_relative_to_the_action_or_to_all(tmp_path: Path) -> None:
    _, run = saved(COORDINATES, tmp_path / "run", frames_per_clip=8)
    model = load_model(run)

    def scored(pooled: bool) -> np.ndarray:
        given = (arrays(2, 1), arrays(4, 2), [0, 1, 100, 101])
        found = model.score_clips(*given, actions=[0, 1], exemplar_actions=[0, 0, 1, 1], pooled=pooled)
        return found["regression"]

    by_action, pooled = scored(False), scored(True)
    assert np.abs(by_action - [0.5, 100.5]).max() < 5
    assert np.abs(by_action - pooled).max() > 1


def test_features_are_scored_too(tmp_path: Path) -> None:
    made, run = saved(regression("CachedFeatures", windows=4, width=6), tmp_path / "run")
    model = load_model(run)
    features = np.random.default_rng(0).random((5, 4, 6)).astype(np.float32)
    predicted = model.score_clips(features[:2], features[2:], [1, 2, 3])
    assert {name: len(values) for name, values in predicted.items()} == {"regression": 2, "reference": 2, "ridge": 2}
    np.testing.assert_array_equal(model.embed_clips(features), made.embed_clips(torch.from_numpy(features)))
    with pytest.raises(ValueError, match="embeds no single pose; ask for embed_clips"):
        model.embed(np.zeros((15, 2)))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"scores": [1, 2]}, r"3 exemplars and 2 clips: give as many scores as exemplars.*got scores \[2\]"),
        ({"actions": ["a", "b"]}, "give actions and exemplar_actions, or neither"),
        ({"actions": ["a"], "exemplar_actions": ["a"] * 3}, "got scores .* and 3 and 1 actions"),
        ({"clips": []}, "no clips are given"),
        ({"clips": np.zeros((9, 15, 2))}, r"\[\.\.\., frames, 15, 2\], not \[15, 2\]"),
        ({"clips": [np.zeros((9, 17, 2))]}, "17 joints, expected the 15"),
    ],
)
def test_wrong_clips_are_told(given: dict[str, Any], says: str, tmp_path: Path) -> None:
    model = load_model(saved(SIMILARITY, tmp_path / "run")[1])
    with pytest.raises(ValueError, match=says):
        model.score_clips(**{"clips": arrays(2), "exemplars": arrays(3), "scores": [1, 2, 3], **given})


def test_a_checkpoint_without_scorers_says_so(model: TrainedModel) -> None:
    with pytest.raises(ValueError, match="holds no scorers; give some"):
        model.score_clips(arrays(2), arrays(3), [1, 2, 3])
    with pytest.raises(InputError, match="clip '1': 0 frames with a visible joint"):
        model.embed_clips([*arrays(1), np.full((5, 15, 2), np.nan)])


# Files ----------------------------------------------------------------------------------------------------------------


def test_the_normalisation_is_the_one_it_was_trained_with(tmp_path: Path) -> None:
    path = forged(tmp_path, normalisation={"keep_aspect": True, "min_confidence": 0.5})
    model = load_model(path)
    assert model.normalisation == Normalisation(min_confidence=0.5, keep_aspect=True)
    assert str(path) in model.label
    nested = {"class_path": "poses.normalisation.Normalisation", "init_args": {"min_confidence": 0.4}}
    assert load_model(forged(tmp_path, normalisation=nested)).normalisation == Normalisation(min_confidence=0.4)
    assert load_model(forged(tmp_path, normalisation=None)).normalisation == Normalisation()


@pytest.mark.parametrize("moments", [0, "many", [20]])
def test_a_number_of_moments_that_is_none_is_refused(moments: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its frames_per_clip is"):
        load_model(forged(tmp_path, frames_per_clip=moments))


@pytest.mark.parametrize("options", [{"min_confidence": 3}, {"nonsense": 1}])
def test_a_normalisation_that_is_none_is_refused(options: dict, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="normalisation cannot be built"):
        load_model(forged(tmp_path, normalisation=options))


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"encoder": None}, "its encoder names no class"),
        ({"encoder": {"class_path": "subprocess.Popen"}}, "'subprocess.Popen', no class of this project"),
        ({"encoder": {**ENCODER, "init_args": {"activation": "antigravity.Fly"}}}, "'antigravity.Fly', no class"),
        ({"encoder": {**ENCODER, "init_args": {"channels": 4}}}, "its encoder has other weights"),
        ({"encoder": {**ENCODER, "init_args": {"channels": 0}}}, "its encoder cannot be built: .*at least 1"),
        ({"scorers": [{"class_path": "torch.nn.Linear"}]}, "its scorer cannot be built"),
        ({"scorers": 3, "encoder": 4}, "its encoder names no class"),
        ({"source": COORDINATES["init_args"]["source"], "head": "x"}, "its scorer cannot be built"),
        (
            {"source": COORDINATES["init_args"]["source"], "head": {"class_path": "torch.nn.Linear", "init_args": 3}},
            "its scorer cannot be built",
        ),
        ({"encoder": {**ENCODER, "init_args": {"embedding": 10**15}}}, "its encoder cannot be built"),
        ({"source": COORDINATES["init_args"]["source"]}, "its scorer cannot be built"),
    ],
)
def test_a_model_that_cannot_be_had(option: dict[str, Any], says: str, tmp_path: Path) -> None:
    _, run = saved(SIMILARITY, tmp_path / "run")
    path = run / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    config = yaml.safe_load(content["config"])
    config["model"]["init_args"] |= option
    torch.save({**content, "config": yaml.safe_dump(config)}, path)
    with pytest.raises(InputError, match=says):
        load_model(run)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no checkpoints/best\.ckpt; give the folder of a run"):
        load_model(tmp_path)
    with pytest.raises(InputError, match=r"nowhere: no such checkpoint"):
        load_model(str(tmp_path / "nowhere"))
