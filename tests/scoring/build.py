"""Embedded clips with random contents."""

from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from poses.batches import EmbeddedClips


def make_clips(
    n: int, times: int = 6, width: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64, **known: Any
) -> EmbeddedClips:
    """n tracks of one action, one a clip, all with a score; `known` replaces fields, given as tensors or lists."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    index = torch.arange(n)
    fields: dict[str, Tensor] = {
        "embedding": (random(n, times, width) - 0.3 + random(n, 1, width)).to(dtype),
        "poses": random(n, times, 15, 2).float(),
        "track": index,
        "clip": index,
        "action": torch.zeros(n, dtype=torch.int64),
        "score": 10 + 90 * random(n),
        "score_range": torch.tensor([[10.0, 100.0]], dtype=torch.float64).expand(n, 2),
        "difficulty": torch.full((n,), torch.nan, dtype=torch.float64),
        "group": torch.full((n,), -1),
        "phases": torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(n, 2),
        "covariates": torch.zeros(n, 0, dtype=torch.int64),
    }
    return EmbeddedClips(**{name: torch.as_tensor(known.get(name, value)) for name, value in fields.items()})


def subset(clips: EmbeddedClips, *rows: int) -> EmbeddedClips:
    return clips[torch.tensor(rows)]


def scipy_rho(a: Any, b: Any) -> float:
    return float(spearmanr(a, b).statistic)
