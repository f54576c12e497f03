from itertools import pairwise
from pathlib import Path

import pytest
import torch

import run
from errors import InputError
from lightning_modules.encoders import GCNEncoder, STGCNEncoder
from lightning_modules.sources import CachedFeatures, Coordinates, PoseEmbeddings, PoseSequences, TrainedEmbeddings
from tests.datasets import FAST, options

CLIPS = torch.rand(3, 23, 15, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("windows", "length"), [(1, 1), (1, 23), (4, 5), (5, 9), (23, 1), (7, 23)])
def test_windows_are_spread_from_the_beginning_to_the_end(windows: int, length: int) -> None:
    source = Coordinates(windows, length)
    starts = source.starts(CLIPS).tolist()
    assert starts[0] == 0
    if windows > 1:
        assert starts[-1] == 23 - length
        steps = [b - a for a, b in pairwise(starts)]
        assert max(steps) - min(steps) <= 1
    cut, means = source.cut(CLIPS), source(CLIPS)
    assert cut.shape == (3, windows, length, 15, 2)
    for b in range(3):
        for w, start in enumerate(starts):
            window = CLIPS[b, start : start + length]
            assert torch.equal(cut[b, w], window)
            torch.testing.assert_close(means[b, w], window.mean(0).flatten())


def test_embeddings_are_those_of_single_poses() -> None:
    source = PoseEmbeddings(GCNEncoder(channels=4), 4, 5)
    found = source(CLIPS)
    assert found.shape == (3, source.windows, source.width) == (3, 4, 50)
    torch.testing.assert_close(
        found[1, 0], torch.stack([source.encoder(CLIPS[1, t][None])[0] for t in range(5)]).mean(0)
    )


def test_sequences_are_seen_whole() -> None:
    source = PoseSequences(STGCNEncoder(channels=(4,), strides=(1,)), 3, 8).eval()
    found = source(CLIPS)
    assert found.shape == (3, source.windows, source.width)
    start = source.starts(CLIPS).tolist()[1]
    torch.testing.assert_close(found[2, 1], source.encoder(CLIPS[2, start : start + 8]))


def test_cached_features_pass_through_if_they_fit() -> None:
    features = torch.rand(2, 4, 6)
    assert CachedFeatures(4, 6)(features) is features
    with pytest.raises(InputError, match=r"4 windows of 6 numbers, the model expects 4 of 5; give .*width 6"):
        CachedFeatures(4, 5)(features)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="windows of 24 poses do not fit into 23 poses a clip"):
        Coordinates(2, 24)(CLIPS)
    for make in (
        lambda: Coordinates(0, 1),
        lambda: Coordinates(1, 0),
        lambda: CachedFeatures(0),
        lambda: CachedFeatures(1, 0),
    ):
        with pytest.raises(InputError, match="at least 1"):
            make()
    with pytest.raises(InputError, match="STGCNEncoder takes windows of poses, not single poses"):
        PoseEmbeddings(STGCNEncoder())
    with pytest.raises(InputError, match="no such checkpoint"):
        TrainedEmbeddings("nowhere.ckpt")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    words = [*options("speed21.yaml", folder), *FAST, "--model.encoder.channels=4"]
    assert run.main(["fit", *words, f"--trainer.logger.folder={folder / 'run'}"]) == 0
    return folder / "run" / "checkpoints" / "best.ckpt"


def test_a_frozen_encoder_stays_as_it_was(checkpoint: Path) -> None:
    source = TrainedEmbeddings(str(checkpoint), True, 4, 5).train()
    assert not source.encoder.training
    assert not any(weights.requires_grad for weights in source.parameters())
    lengths = TrainedEmbeddings(str(checkpoint), windows=23, length=1)(CLIPS).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    trained = TrainedEmbeddings(str(checkpoint), False, 4, 5).train()
    assert trained.encoder.training
    assert all(weights.requires_grad for weights in trained.parameters())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--data.fold=1"], "trained with data.fold = 0, here it is 1"),
        (["--data.folds=event"], "trained with data.folds = climber, here it is event"),
        (["--data.split_seed=1"], "trained with data.split_seed = 0, here it is 1"),
        (
            ["--data.normalisation.keep_aspect=true"],
            "trained with data.normalisation.keep_aspect = False, here it is True",
        ),
    ],
)
def test_an_encoder_of_other_parts_or_poses_is_refused(
    more: list[str], said: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = options("speed21.yaml", checkpoint.parents[2])
    words[2:2] = ["--config", "core.yaml", "--config", "trained_source.yaml"]
    words += [f"--model.source.checkpoint={checkpoint}", f"--trainer.logger.folder={tmp_path / 'run'}", *FAST, *more]
    capsys.readouterr()
    assert run.main(["fit", *words]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors
