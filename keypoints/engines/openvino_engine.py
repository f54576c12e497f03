"""OpenVINO on the CPU, straight from the torch module."""

import warnings

import numpy as np
import openvino as ov
import torch

from keypoints.engines import Network, Precision, filled
from keypoints.types import Floats, Image

HINTS: dict[Precision, ov.Type] = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16, "fp16": ov.Type.f16}


class OpenVINOEngine:
    """The network compiled for a fixed number of crops, which is faster than for any number.

    Args:
        network: left as it is.
        batch: crops a call.
        size: width and height of a crop.
        precision: in which OpenVINO computes; the heatmaps are float32.
    """

    def __init__(self, network: Network, batch: int, size: tuple[int, int], precision: Precision) -> None:
        self.batch = batch
        network.eval()
        one = torch.zeros((1, size[1], size[0], 3), dtype=torch.uint8)  # traced with one crop: it runs the network
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # OpenVINO traces with torch.jit, which is to go some day
            model = ov.convert_model(network, example_input=one, input=[batch, *one.shape[1:]])
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": HINTS[precision],
        }
        self._compiled = ov.Core().compile_model(model, "CPU", options)

    @staticmethod
    def precisions() -> tuple[Precision, ...]:
        """What this processor computes in without emulating it, the fastest first; fp32 is always among them."""
        can = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        fast: tuple[Precision, ...] = ("bf16", "fp16")
        return (*(precision for precision in fast if precision.upper() in can), "fp32")

    def __call__(self, pixels: Image) -> tuple[Floats, ...]:
        """See `keypoints.engines.Engine`."""
        said = self._compiled([filled(pixels, self.batch)])
        return tuple(np.asarray(said[output][: len(pixels)], np.float32) for output in self._compiled.outputs)
