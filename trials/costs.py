"""What a model costs: parameters, time to train, time to embed a clip."""

import statistics
import time
from typing import Final

import torch
from torch import Tensor

from lightning_modules.clip_model import ClipModel
from run_folder.measurements import Cost
from run_folder.trial import Record

WARM_UP: Final = 3
MOST_CLIPS: Final = 50


@torch.inference_mode()
def cost_of(model: ClipModel, clips: Tensor, record: Record | None) -> Cost:
    """What a model costs.

    Time of inference is from the normalised poses (or features) of one clip to its embeddings: the median over clips,
    one after the other, on this machine as it is. Scoring is left out; it depends on the exemplars.

    Args:
        model: in evaluation mode.
        clips: [N, T, 15, C] or [N, W, C], at least one clip; the first 50 are timed.
        record: what is known of the training.
    """
    some = clips[:MOST_CLIPS]
    for _ in range(WARM_UP):
        model.embed_clips(some[:1])
    times = []
    for clip in some.split(1):
        begun = time.perf_counter()
        model.embed_clips(clip)
        times.append(time.perf_counter() - begun)
    return Cost(
        parameters=sum(weights.numel() for weights in model.parameters()),
        fit_seconds=None if record is None else record.seconds,
        members=1 if record is None else record.members,
        milliseconds_per_clip=round(1000 * statistics.median(times), 4),
        clips=len(times),
        threads=torch.get_num_threads(),
    )
