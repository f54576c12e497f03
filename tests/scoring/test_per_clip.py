import torch

from scoring.per_clip import first_of_each, mean_of_each


def test_first_of_each() -> None:
    assert first_of_each(torch.tensor([7, 3, 7, 3, 5])).tolist() == [1, 4, 0]
    assert first_of_each(torch.tensor([], dtype=torch.int64)).tolist() == []


def test_mean_of_each() -> None:
    values, clip = torch.tensor([1.0, 2.0, 3.0, 6.0, 9.0]), torch.tensor([7, 3, 7, 3, 5])
    assert mean_of_each(values, clip).tolist() == [4, 9, 2]
