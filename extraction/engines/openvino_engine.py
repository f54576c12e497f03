"""OpenVINO on the CPU, straight from the torch module."""

import warnings

import numpy as np
import openvino as ov
import torch
from openvino import Model as Model
from torch.jit._trace import TracerWarning

from extraction.engines import Network, Precision, filled
from extraction.types import Floats, Image

HINTS: dict[Precision, ov.Type] = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16, "fp16": ov.Type.f16}


def converted(network: Network, batch: int, shape: tuple[int, ...]) -> Model:
    """The network as OpenVINO's model of a fixed number of crops, which runs faster than one of any number.

    Args:
        network: left as it is, and not needed any more.
        batch: crops a call.
        shape: of a crop, [h, w, 3], or of a window, [L, h, w, 3].
    """
    network.eval()
    one = torch.zeros((1, *shape), dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        # some day torch is to lose it; OpenVINO traces with it as well
        warnings.filterwarnings("ignore", message=".*torch.jit.trace.* is deprecated")
        # sizes become constants, as they may in a model of one size
        warnings.filterwarnings("ignore", "Converting a tensor to a Python integer", TracerWarning)
        # without the check, which would run the network twice more
        traced = torch.jit.trace(network, one, check_trace=False)
        model: Model = ov.convert_model(traced, example_input=one, input=[batch, *shape])
    return model


class OpenVINOEngine:
    """A converted network, compiled; a call is taken apart into portions, which run side by side.

    Small portions stay in the processor's cache, and cores that work on portions of their own need not wait for each
    other: HRNet-W32 runs 5 % faster so than on whole batches in fp32, and as fast in bf16.

    Args:
        model: see `converted`; how many crops it takes is the size of a portion. Several engines may be made of it.
        precision: in which OpenVINO computes; the heatmaps are float32.
        batch: how many crops a call takes at the most.
    """

    def __init__(self, model: Model, precision: Precision, batch: int) -> None:
        self.batch = batch
        self._portion = int(model.input(0).shape[0])
        options = {
            "PERFORMANCE_HINT": "LATENCY" if batch == self._portion else "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": HINTS[precision],
        }
        compiled = ov.Core().compile_model(model, "CPU", options)
        self._outputs = len(compiled.outputs)
        self._queue = ov.AsyncInferQueue(compiled)
        self._said: list[tuple[Floats, ...]] = []
        self._queue.set_callback(self._keep)

    def _keep(self, request: ov.InferRequest, portion: int) -> None:
        self._said[portion] = tuple(
            np.array(request.get_output_tensor(i).data, np.float32) for i in range(self._outputs)
        )

    @staticmethod
    def precisions() -> tuple[Precision, ...]:
        """What this processor computes in without emulating it, the fastest first; fp32 is always among them."""
        can = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        fast: tuple[Precision, ...] = ("bf16", "fp16")
        return (*(precision for precision in fast if precision.upper() in can), "fp32")

    def __call__(self, pixels: Image) -> tuple[Floats, ...]:
        """See `extraction.engines.Engine`."""
        if len(pixels) > self.batch:
            raise ValueError(f"{len(pixels)} crops for an engine that takes {self.batch}")
        portions = [pixels[start : start + self._portion] for start in range(0, len(pixels), self._portion)]
        self._said = [()] * len(portions)
        for number, portion in enumerate(portions):
            self._queue.start_async([filled(portion, self._portion)], number)
        self._queue.wait_all()
        return tuple(np.concatenate(parts)[: len(pixels)] for parts in zip(*self._said, strict=True))
