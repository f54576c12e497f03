"""The contrastive loss, eq. (4) of arXiv 2511.01194."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from scoring.distances import ZERO_NORM


def contrastive_loss(distance: Tensor, similar: Tensor, margin: float) -> Tensor:
    """Mean over pairs of eq. (4): Y D^2 / 2 + (1 - Y) max(0, m - D)^2 / 2.

    Shapes:
        distance: [B], D of eq. (5), in [0, 2].
        similar: [B], Y: 1 for similar, 0 for dissimilar.

    Returns:
        Scalar, in [0, 2] for a margin up to 2.
    """
    return torch.lerp((margin - distance).clamp(min=0).square(), distance.square(), similar).mean() / 2


class ContrastiveLoss(nn.Module):
    """Eq. (4) on the cosine distance, eq. (5), of the embeddings of each pair.

    Args:
        margin: m of eq. (4), the distance beyond which dissimilar poses no longer cost anything, in (0, 2].
    """

    def __init__(self, margin: float = 1.35):
        super().__init__()
        if not 0 < margin <= 2:
            raise ValueError(f"margin is {margin}, but must be above 0 and at most 2, the largest distance there is")
        self.margin = margin

    def forward(self, first: Tensor, second: Tensor, similar: Tensor) -> Tensor:
        """Mean loss of the pairs.

        Shapes:
            first, second: [B, E], embeddings of the two members of each pair; half precision is computed in float32.
            similar: [B], Y: 1 for similar, 0 for dissimilar, nothing between.
        """
        if first.dtype in (torch.float16, torch.bfloat16):
            first, second = first.float(), second.float()
        if similar.dtype != first.dtype:
            similar = similar.to(first.dtype)
        loss: Tensor = _PairLoss.apply(first, second, similar, self.margin)  # type: ignore[no-untyped-call]
        return loss

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"margin={self.margin}"


class _PairLoss(torch.autograd.Function):
    """`contrastive_loss(cosine_distance(first, second), similar, margin)` with its gradient written out.

    A step on 64 pairs costs as much as its number of small operations; autograd needs three times as many.
    With the unit vectors a and b of x and y, and c = a.b: d c / d x = (b - c a) / |x|. The loss of a pair is r^2 / 2
    with r = D where similar and -max(0, m - D) where not, so that r is also its derivative by D.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, similar: Tensor, margin: float) -> Tensor:
        pair = torch.stack((first, second))
        norm = torch.threshold(torch.linalg.vector_norm(pair, dim=-1, keepdim=True), ZERO_NORM, torch.inf)
        units = pair / norm
        a, b = units.unbind()
        cosine = (a * b).sum(-1, keepdim=True)
        distance = 1 - cosine
        residual = torch.lerp((distance - margin).clamp_(max=0), distance, similar.unsqueeze(1))
        ctx.save_for_backward(units, norm, cosine, residual)
        flat = residual.view(-1)
        return flat.dot(flat) * (0.5 / pair.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        units, norm, cosine, residual = ctx.saved_tensors
        by_cosine = residual * (gradient / -residual.shape[0])
        first, second = torch.addcmul(units.flip(0), units, cosine, value=-1).mul_(by_cosine / norm).unbind()
        return first, second, None, None
