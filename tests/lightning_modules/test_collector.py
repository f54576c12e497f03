import torch

from lightning_modules.collector import ClipCollector
from poses.batches import ClipBatch


def batch(tracks: list[int]) -> ClipBatch:
    track = torch.tensor(tracks)
    return ClipBatch(
        content=track[:, None, None, None].expand(-1, 3, 15, 2).float(),
        track=track,
        clip=track // 2,
        action=track % 2,
        score=track.double(),
        score_range=torch.tensor([[0.0, 4.0]], dtype=torch.float64).expand(len(track), 2),
        difficulty=torch.full((len(track),), torch.nan, dtype=torch.float64),
        group=-torch.ones_like(track),
        phases=torch.zeros(len(track), 2, dtype=torch.float64),
        covariates=torch.zeros(len(track), 0, dtype=torch.int64),
    )


def test_tracks_come_back_in_order_and_once() -> None:
    collector = ClipCollector()
    for tracks in ([4, 1], [0, 4, 3], [1]):
        collector.update(batch(tracks), torch.tensor(tracks)[:, None, None].float())
    clips = collector.gather()
    assert clips.track.tolist() == [0, 1, 3, 4] == clips.score.tolist()
    assert clips.clip.tolist() == [0, 0, 1, 2]
    assert clips.embedding[:, 0, 0].tolist() == [0, 1, 3, 4] == clips.poses[:, 0, 0, 0].tolist()


def test_gathering_empties_and_a_lone_track_keeps_its_shape() -> None:
    collector = ClipCollector()
    for _ in range(2):
        collector.update(batch([7]), torch.zeros(1, 3, 5))
        clips = collector.gather()
        assert clips.score.shape == (1,)
        assert clips.embedding.shape == (1, 3, 5)
