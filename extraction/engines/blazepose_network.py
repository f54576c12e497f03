"""Runs a BlazePose network with OpenVINO, in fp32 on the processor."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino.preprocess import PrePostProcessor

from errors import InputError
from extraction.types import Floats, Image

REQUESTS = 2
"""Images that are worked on at once, a core each: faster than one image on all cores, and than batches."""


class BlazePoseNetwork:
    """A .tflite network that is given one uint8 image at a time; several are worked on at once.

    Args:
        path: the file.
        outputs: numbers of the outputs that are wanted; what only the others need is not computed.
        mean: what is subtracted from pixels 0 to 255, before
        scale: what they are divided by.

    Raises:
        InputError: OpenVINO cannot read or compile the file.
    """

    def __init__(self, path: Path, outputs: Sequence[int], mean: float, scale: float) -> None:
        core = ov.Core()
        try:
            whole = core.read_model(path)
            wanted = [whole.output(number).get_node().input_value(0) for number in outputs]
            steps = PrePostProcessor(ov.Model(wanted, whole.get_parameters(), path.stem))
            steps.input().tensor().set_element_type(ov.Type.u8)
            steps.input().preprocess().convert_element_type(ov.Type.f32).mean(mean).scale(scale)
            # Where a processor has bf16, OpenVINO takes it unless told otherwise, and landmarks move by many pixels.
            settings: dict[str, Any] = {
                "INFERENCE_PRECISION_HINT": "f32",
                "PERFORMANCE_HINT": "THROUGHPUT",
                "NUM_STREAMS": str(REQUESTS),
            }
            compiled = core.compile_model(steps.build(), "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"{path}: OpenVINO cannot run this network ({reason})") from error
        self._requests = ov.AsyncInferQueue(compiled, REQUESTS)
        self._requests.set_callback(self._keep)
        self._outputs = len(outputs)
        self._answers: list[list[Floats]] = []

    def __call__(self, images: Image) -> tuple[Floats, ...]:
        """The outputs for images [B, h, w, 3], each [B, ...] float32; called from one thread at a time."""
        self._answers = [[] for _ in images]
        for i in range(len(images)):
            self._requests.start_async(images[i : i + 1], i)
        self._requests.wait_all()
        return tuple(np.concatenate([answer[k] for answer in self._answers]) for k in range(self._outputs))

    def _keep(self, request: ov.InferRequest, i: int) -> None:
        self._answers[i] = [request.get_output_tensor(k).data.copy() for k in range(self._outputs)]
