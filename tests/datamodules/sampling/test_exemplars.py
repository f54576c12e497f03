from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.aqa7 import AQA7
from datamodules.demo import Demo
from datamodules.sampling.exemplars import ExemplarLoader, ExemplarSampler
from datamodules.sampling.rules import ExemplarRule
from errors import InputError
from poses.cache.feature_cache import FeatureProvenance, write_features

ACTION = np.array([0, 1, 0, 2, 1, 0, 1, 1], dtype=np.int64)  # 3 is alone


def sampler(pairs: int = 70, seed: int = 0) -> ExemplarSampler:
    with pytest.warns(UserWarning, match="1 of 8 training clips are the only one of their action"):
        return ExemplarSampler(ACTION, ExemplarRule(pairs), seed)


def loader(rank: int = 0, world: int = 1, pairs: int = 80, batch: int = 8) -> ExemplarLoader:
    """One number a track, which tells its track; clip 5 has two tracks."""
    clip = np.array([0, 1, 2, 3, 4, 5, 5, 6, 7])
    content = torch.arange(len(clip))[:, None, None].float()
    score = torch.arange(len(clip)).double() / 10
    return ExemplarLoader(content, clip, score, sampler(pairs), batch, rank, world)


def test_pairs_are_two_clips_of_one_action_and_every_clip_is_a_query_equally_often() -> None:
    query, exemplar = sampler().draw()
    assert (ACTION[query] == ACTION[exemplar]).all()
    assert (query != exemplar).all()
    assert np.bincount(query, minlength=8).tolist() == [10, 10, 10, 0, 10, 10, 10, 10]
    met = {(int(a), int(b)) for a, b in zip(query, exemplar, strict=True)}
    assert len({pair for pair in met if ACTION[pair[0]] == 0}) == 6  # every ordered pair of three clips


def test_seed_and_epoch_decide() -> None:
    one = sampler()
    first = one.draw()
    np.testing.assert_array_equal(one.draw(), first)
    one.set_epoch(1)
    assert (one.draw() != first).any()
    assert (sampler(seed=1).draw() != first).any()


def test_two_processes_share_what_one_draws() -> None:
    whole = list(loader(batch=8))
    parts = [list(loader(rank, 2, batch=4)) for rank in range(2)]
    assert len(whole) == len(parts[0]) == 10
    for k, batch in enumerate(whole):
        both = torch.cat([part[k]["content"] for part in parts], 1)[..., 0, 0]
        mine = batch["content"][..., 0, 0]
        assert sorted(both.T.tolist()) == sorted(mine.T.tolist())


def test_content_and_scores_belong_together() -> None:
    seen = set()
    for batch in loader():
        track = batch["content"][..., 0, 0]
        assert batch["content"].shape == (2, 8, 1, 1)
        torch.testing.assert_close(batch["score"], track.double() / 10)
        seen |= set(track.flatten().tolist())
    assert seen == {0, 1, 2, 4, 5, 6, 7, 8}  # both performers of clip 5


def test_it_goes_on_in_the_middle_of_an_epoch() -> None:
    whole, first = list(loader()), loader()
    batches = iter(first)
    for _ in range(4):
        next(batches)
    state = first.state_dict()
    assert state == {"epoch": 0, "position": 4}
    again = loader()
    again.load_state_dict(state)
    rest = list(again)
    assert len(rest) == 6
    for one, other in zip(rest, whole[4:], strict=True):
        assert torch.equal(one["content"], other["content"])
    assert len(list(again)) == 10  # the next epoch is whole


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(InputError, match="no action has two training clips"):
        ExemplarSampler(np.arange(4), ExemplarRule(), 0)
    with pytest.raises(InputError, match="pairs_per_epoch must be at least 1, got 0"):
        ExemplarRule(0)
    with pytest.raises(InputError, match="does not divide among 3 processes"):
        loader(0, 3)


def features_of(data: AQA7 | Demo, folder: Path, leave_out: int = 0) -> list[str]:
    clips = [label.clip_id for label in data.labels()]
    for number, clip in enumerate(clips[leave_out:]):
        write_features(folder, clip, np.full((3, 4), number, np.float32), FeatureProvenance("test", "numbers"))
    return clips


def demo(folder: Path, **options: object) -> Demo:
    data = Demo(root=str(folder / "demo"), clips=48, exemplar_pairs=ExemplarRule(64), **options)  # type: ignore[arg-type]
    data.prepare_data()
    return data


def test_features_take_the_place_of_poses(tmp_path: Path) -> None:
    data = demo(tmp_path)
    clips = features_of(data, tmp_path / "features")
    data = demo(tmp_path, features=str(tmp_path / "features"))
    data.setup("fit")
    pairs = data.train_dataloader()
    assert isinstance(pairs, ExemplarLoader)
    batch = next(iter(pairs))
    assert batch["content"].shape == (2, 64, 3, 4)
    for part in data.val_dataloader():
        for one in part:
            own = [clips.index(data.clips[i].clip_id) for i in one.clip.tolist()]
            assert one.content[:, 0, 0].tolist() == own
            assert one.poses.shape == (len(own), 0, 15, 2)


def test_features_have_no_pairs_of_poses_and_no_keypoints(tmp_path: Path) -> None:
    features_of(demo(tmp_path), tmp_path / "features")
    data = demo(tmp_path, features=str(tmp_path / "features"))
    data.setup("test")
    for asked in (data.pair_loader, data.keypoints):
        with pytest.raises(InputError, match=r"^data\.features: .*features holds clip features, and poses are asked"):
            asked()


def test_scores_are_relative_to_the_range_of_the_training_scores_of_the_action(tmp_path: Path) -> None:
    data = demo(tmp_path)
    for stage in ("fit", "test"):
        data.setup(stage)
        training = [label for label in data.labels() if label.part == "train"]
        for label, ends in zip(data.clips, data.score_range.tolist(), strict=True):
            own = [one.score for one in training if one.action == label.action]
            assert ends == [min(own), max(own)]
    data.setup("fit")
    score, action = data.training_scores()
    assert len(score) == len(action) == int((data.part == "train").sum())
    assert float(score.min()) >= 0
    assert float(score.max()) <= 1


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "no feature cache there. How to make them: python run.py features --help"),
        (1, "no features of '.*' that the labels"),
    ],
)
def test_missing_features_are_one_line(made: int | None, message: str, tmp_path: Path) -> None:
    if made is not None:
        features_of(demo(tmp_path), tmp_path / "features", leave_out=made)
    with pytest.raises(InputError, match=message) as error:
        demo(tmp_path, features=str(tmp_path / "features")).setup("fit")
    assert "\n" not in str(error.value)
