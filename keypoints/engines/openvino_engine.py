"""OpenVINO on the CPU, straight from the torch module."""

import warnings

import numpy as np
import openvino as ov
import torch
from openvino import Model as Model

from keypoints.engines import Network, Precision, filled
from keypoints.types import Floats, Image

HINTS: dict[Precision, ov.Type] = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16, "fp16": ov.Type.f16}


def converted(network: Network, batch: int, size: tuple[int, int]) -> Model:
    """The network as OpenVINO's model of a fixed number of crops, which runs faster than one of any number.

    Args:
        network: left as it is, and not needed any more.
        batch: crops a call.
        size: width and height of a crop.
    """
    network.eval()
    one = torch.zeros((1, size[1], size[0], 3), dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        # some day torch is to lose it; OpenVINO traces with it as well
        warnings.filterwarnings("ignore", message=".*torch.jit.trace.* is deprecated")
        # without the check, which would run the network twice more
        traced = torch.jit.trace(network, one, check_trace=False)
        model: Model = ov.convert_model(traced, example_input=one, input=[batch, *one.shape[1:]])
    return model


class OpenVINOEngine:
    """A converted network, compiled.

    Args:
        model: see `converted`; several engines may be made of it.
        precision: in which OpenVINO computes; the heatmaps are float32.
    """

    def __init__(self, model: Model, precision: Precision) -> None:
        self.batch = int(model.input(0).shape[0])
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": HINTS[precision]}
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
