"""The scale of score differences that CoRe and TPT classify into (Yu et al., ICCV 2021, section 3.2)."""

import torch
from torch import Tensor, nn

from errors import InputError

_DECIMALS = 9  # magnitudes that differ farther right differ by rounding only, as 2/7 and 5/7 - 3/7 do


class DifferenceIntervals(nn.Module):
    """2 H adjoining intervals of relative score differences, mirrored about zero, each side with equal counts.

    A difference at an edge belongs to the interval farther from zero, 0 to the one above. The outermost two take
    everything beyond them. Where many training differences are equal (scores of whole numbers) edges may be the same:
    in an interval without width every position stands for its edge. Of magnitudes nine decimals count, so that
    equal differences stay equal whatever they were worked out from.

    Args:
        count: number of intervals, even.

    Attributes:
        edges: [count + 1] float64, rising; -1 to 1 in equal steps until `fit` has seen scores.

    Raises:
        InputError: the count is odd or below 2.
    """

    edges: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        if count < 2 or count % 2:
            raise InputError(f"the number of intervals must be even and at least 2, got {count}")
        self.register_buffer("edges", torch.linspace(-1, 1, count + 1, dtype=torch.float64))

    def __len__(self) -> int:
        return len(self.edges) - 1

    def fit(self, differences: Tensor) -> None:
        """Set the edges so that the intervals of each side hold equally many of the differences [P].

        Only magnitudes count: every pair of clips has two orders.

        Raises:
            InputError: there is no difference to learn from.
        """
        magnitudes = _magnitude(differences).sort().values
        if not len(magnitudes) or not float(magnitudes[-1]) > 0:
            raise InputError(
                "no two training clips of one action have different scores; give clips of different quality"
            )
        half = len(self) // 2
        places = torch.arange(1, half) * len(magnitudes) // half
        upper = torch.cat([magnitudes.new_zeros(1), magnitudes[places], magnitudes[-1:]])
        self.edges.copy_(torch.cat([-upper.flip(0), upper[1:]]))

    def of(self, difference: Tensor) -> Tensor:
        """Number of the interval of each difference; any shape, int64."""
        half = len(self) // 2
        side = torch.searchsorted(self.edges[half:].double(), _magnitude(difference), right=True) - 1
        side = side.clamp(0, half - 1)
        return torch.where(difference >= 0, half + side, half - 1 - side)

    def position(self, difference: Tensor, interval: Tensor) -> Tensor:
        """Where in its interval a difference lies, float64: 0 at the lower edge, 1 at the upper; 0 without width."""
        left, width = self.edges[interval], self.width(interval)
        return torch.where(width > 0, (difference.double() - left) / width, 0.0)

    def value(self, interval: Tensor, position: Tensor) -> Tensor:
        """The difference at a position of an interval, float64."""
        return self.edges[interval] + position.double() * self.width(interval)

    def width(self, interval: Tensor) -> Tensor:
        """Width of intervals, float64."""
        return self.edges[interval + 1] - self.edges[interval]


def _magnitude(difference: Tensor) -> Tensor:
    return difference.abs().double().round(decimals=_DECIMALS).contiguous()


def interval_losses(
    intervals: DifferenceIntervals, log_probability: Tensor, position: Tensor, difference: Tensor
) -> Tensor:
    """Negative log-likelihood of the true interval plus squared error of the position in it, mean over the pairs.

    A true interval without width has no position to learn: its squared error counts as 0.

    Shapes:
        log_probability, position: [B, intervals].
        difference: [B], the true ones.
    """
    true = intervals.of(difference)
    own, place = (given.gather(1, true[:, None])[:, 0] for given in (log_probability, position))
    return losses_in(intervals, true, own, place, difference)


def losses_in(
    intervals: DifferenceIntervals, true: Tensor, log_probability: Tensor, position: Tensor, difference: Tensor
) -> Tensor:
    """As `interval_losses`, from what was predicted for the true interval of each pair alone.

    Shapes:
        true, int64, log_probability, position, difference: [B].
    """
    target = intervals.position(difference, true).to(torch.promote_types(position.dtype, torch.float32))
    error = (position - target).square() * (intervals.width(true) > 0)
    loss: Tensor = (error - log_probability).mean()
    return loss


def likeliest_value(intervals: DifferenceIntervals, log_probability: Tensor, position: Tensor) -> Tensor:
    """The difference [B], float64, that the predicted position in the likeliest interval stands for.

    Shapes:
        log_probability, position: [B, intervals].
    """
    best = log_probability.argmax(1)
    return intervals.value(best, position.gather(1, best[:, None])[:, 0])
