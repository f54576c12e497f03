"""The contrastive loss, eq. (4) of arXiv 2511.01194."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from errors import InputError
from scoring.distances import ZERO_NORM


class ContrastiveLoss(nn.Module):
    """Eq. (4) on the cosine distance D, eq. (5), of a pair's embeddings: Y D^2 / 2 + (1 - Y) max(0, m - D)^2 / 2.

    Y is 1 for similar poses, 0 for dissimilar ones; between, the loss is least at D = (1 - Y) m.

    Args:
        margin: m of eq. (4), the distance beyond which dissimilar poses no longer cost anything, in (0, 2].
    """

    def __init__(self, margin: float = 1.35):
        super().__init__()
        if not 0 < margin <= 2:
            raise InputError(f"margin is {margin}, but must be above 0 and at most 2, the largest distance there is")
        self.margin = margin

    def forward(self, first: Tensor, second: Tensor, similar: Tensor) -> Tensor:
        """Mean loss of the pairs, in [0, 2].

        Shapes:
            first, second: [B, E], embeddings of the two members of each pair; half precision is computed in float32.
            similar: [B], Y in [0, 1]: 1 for similar, 0 for dissimilar.
        """
        return pair_losses(first, second, similar, self.margin)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"margin={self.margin}"


def pair_losses(first: Tensor, second: Tensor, similar: Tensor, margin: float | Tensor) -> Tensor:
    """Mean of eq. (4) over the pairs of a batch, for any number of batches at once.

    Shapes:
        first, second: [..., B, E], embeddings of the two members of each pair; half precision is computed in float32.
        similar: [..., B], Y in [0, 1]: 1 for similar, 0 for dissimilar.
        margin: m of eq. (4); a number, or [..., 1, 1].

    Returns:
        [...], one number a batch.
    """
    if first.dtype in (torch.float16, torch.bfloat16):
        first, second = first.float(), second.float()
    if similar.dtype != first.dtype:
        similar = similar.to(first.dtype)
    losses: Tensor = _PairLoss.apply(first, second, similar, margin)  # type: ignore[no-untyped-call]
    return losses


class _PairLoss(torch.autograd.Function):
    """Eq. (4) of `cosine_distance(first, second)` with its gradient written out.

    A step on 64 pairs costs as much as its number of small operations; autograd needs three times as many.
    With the unit vectors a and b of x and y, and c = a.b: d c / d x = (b - c a) / |x|. The derivative of a pair's loss
    by D is Y D - (1 - Y) max(0, m - D).
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, similar: Tensor, margin: float | Tensor) -> Tensor:
        pair = torch.stack((first, second))
        norm = torch.threshold(torch.linalg.vector_norm(pair, dim=-1, keepdim=True), ZERO_NORM, torch.inf)
        units = pair / norm
        a, b = units.unbind()
        cosine = (a * b).sum(-1, keepdim=True)
        distance, similar = 1 - cosine, similar.unsqueeze(-1)
        short = (distance - margin).clamp_(max=0)  # - max(0, m - D)
        ctx.save_for_backward(units, norm, cosine, torch.lerp(short, distance, similar))
        return torch.lerp(short.square_(), distance.square(), similar).mean((-1, -2)) * 0.5

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        units, norm, cosine, slope = ctx.saved_tensors
        by_cosine = slope * (gradient / -slope.shape[-2])[..., None, None]
        first, second = torch.addcmul(units.flip(0), units, cosine, value=-1).mul_(by_cosine / norm).unbind()
        return first, second, None, None
