import torch
from torch import Tensor, nn

from scoring.regression import RegressionScorer, draw
from tests.scoring.build import make_clips, subset


class Known(nn.Module):
    """Says the exemplar's score plus the difference of what the first feature of the first window holds."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        return exemplar_score + query[:, 0, 0] - exemplar[:, 0, 0]


class Odd(Known):
    """Something that depends on everything."""

    def forward(self, query: Tensor, exemplar: Tensor, exemplar_score: Tensor) -> Tensor:
        return (query * exemplar.flip(1)).mean((1, 2)) * exemplar_score + query.amax((1, 2))


def test_a_perfect_head_gives_the_exact_scores_whatever_the_exemplars() -> None:
    clips = make_clips(30)
    clips = clips.with_embedding(clips.relative_score[:, None, None].expand(-1, 3, 2))
    queries, exemplars = subset(clips, *range(10)), subset(clips, *range(10, 30))
    for count in (1, 7, 100):
        torch.testing.assert_close(RegressionScorer(Known(), count)(queries, exemplars), queries.score)


def test_it_is_the_mean_over_the_exemplars_that_are_drawn() -> None:
    queries = make_clips(9, seed=1, track=torch.arange(100, 109), action=torch.arange(9) % 3)
    exemplars = make_clips(40, seed=2, action=torch.arange(40) % 2, score_range=[[20.0, 50.0]] * 40)
    found = RegressionScorer(Odd(), 5, seed=3)(queries, exemplars)
    for i in range(9):  # no exemplar has action 2: all are compared with
        known = [j for j in range(40) if int(exemplars.action[j]) == i % 3] or list(range(40))
        drawn = draw(queries.track[i : i + 1], exemplars.track[known], 5, 3)[0].tolist()
        said = []
        for j in (known[k] for k in drawn):
            relative = (float(exemplars.score[j]) - 20) / 30
            query, other = queries.embedding[i], exemplars.embedding[j].flip(0)
            said.append(float((query * other).mean()) * relative + float(query.max()))
        low, high = queries.score_range[i].tolist()
        assert abs(float(found[i]) - (low + (high - low) * sum(said) / len(said))) < 1e-9


def test_exemplars_are_drawn_once_by_seed_and_numbers_alone() -> None:
    query, exemplar = torch.arange(50, 350), torch.arange(40)
    drawn = draw(query, exemplar, 10, 0)
    assert all(len(set(row)) == 10 for row in drawn.tolist())
    assert torch.equal(draw(query[7:9], exemplar, 10, 0), drawn[7:9])
    shuffled = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    again = draw(query, exemplar[shuffled], 10, 0)
    assert [set(exemplar[shuffled][row].tolist()) for row in again] == [set(row.tolist()) for row in drawn]
    assert (draw(query, exemplar, 10, 1) != drawn).float().mean() > 0.9
    counts = torch.bincount(drawn.flatten(), minlength=40)
    assert counts.min() > 75 * 0.5  # 75 on average
    assert counts.max() < 75 * 1.5


def test_fewer_than_wanted_all_serve() -> None:
    assert draw(torch.arange(3), torch.arange(4), 10, 0).sort(1).values.tolist() == [[0, 1, 2, 3]] * 3


def test_portions_change_nothing(monkeypatch: object) -> None:
    queries, exemplars = make_clips(20, seed=1), make_clips(20, seed=2, track=torch.arange(50, 70))
    whole = RegressionScorer(Odd())(queries, exemplars)
    monkeypatch.setattr("scoring.regression._NUMBERS_AT_ONCE", 1)  # type: ignore[attr-defined]
    torch.testing.assert_close(RegressionScorer(Odd())(queries, exemplars), whole)
