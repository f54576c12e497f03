"""PyTorch, on the CPU and on CUDA."""

import copy
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from extraction.engines import Network, Precision, filled
from extraction.types import Floats, Image

TYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

Forward = Callable[[Tensor], Tensor | tuple[Tensor, ...]]


class TorchEngine:
    """Eager PyTorch with channels last; on CUDA captured in a graph where that is faster.

    Args:
        network: left as it is; the engine has its own copy.
        batch: crops a call.
        shape: of a crop, [h, w, 3], or of a window, [L, h, w, 3].
        precision: of the network's body; the heatmaps are float32 again.
        device: where it runs.
    """

    def __init__(
        self, network: Network, batch: int, shape: tuple[int, ...], precision: Precision, device: torch.device
    ) -> None:
        self.batch = batch
        self.device = device
        module = copy.deepcopy(network).eval().requires_grad_(False).to(device)
        body: Any = module.body  # torch's stubs do not know this use of `to`
        last = torch.channels_last if len(shape) == 3 else torch.channels_last_3d
        body.to(dtype=TYPES[precision], memory_format=last)
        self._forward: Forward = module
        if device.type == "cuda":
            captured = torch.compile(module, mode="reduce-overhead")  # captures CUDA graphs
            blank = torch.zeros((batch, *shape), dtype=torch.uint8, device=device)
            self._forward = faster(module, captured, blank)

    @staticmethod
    def precisions(device: torch.device) -> tuple[Precision, ...]:
        """What is worth using on a device, the fastest first; fp32 is always among them."""
        if device.type == "cuda":
            return ("fp16", "fp32")
        can = torch.cpu.get_capabilities()
        return ("bf16", "fp32") if can.get("avx512_bf16") or can.get("amx_bf16") else ("fp32",)

    def __call__(self, pixels: Image) -> tuple[Floats, ...]:
        """See `extraction.engines.Engine`."""
        with torch.inference_mode():
            said = self._forward(torch.from_numpy(filled(pixels, self.batch)).to(self.device))
            parts = (said,) if isinstance(said, Tensor) else said
            return tuple(np.asarray(part[: len(pixels)].float().cpu().numpy(), np.float32) for part in parts)


def faster(plain: Forward, other: Forward, example: Tensor, repeats: int = 5) -> Forward:
    """Whichever of two ways takes less time on an example; the plain one if the other cannot run here.

    Args:
        plain: always runs.
        other: may raise, as compilers do on machines without what they need.
        example: what to call them with.
        repeats: how often each is timed, after two calls that are not.
    """
    try:
        return other if _seconds(other, example, repeats) < _seconds(plain, example, repeats) else plain
    except RuntimeError:  # torch's compiler errors are all of this kind
        return plain


def _seconds(forward: Forward, example: Tensor, repeats: int) -> float:
    times = []
    with torch.inference_mode():
        for i in range(repeats + 2):
            start = time.perf_counter()
            said = forward(example)
            (said if isinstance(said, Tensor) else said[0]).cpu()  # waits until the device is through
            if i >= 2:
                times.append(time.perf_counter() - start)
    return median(times)
