"""Runs a BlazePose network with OpenVINO, in fp32 on the processor; squares in which it sees a body upright."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
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


MARGIN: Final = (
    1.25  # by how much the square is larger than the circle around the body (RectTransformation of the graph)
)


def roi_from_points(middle: npt.NDArray[np.float32], top: npt.NDArray[np.float32]) -> Floats:
    """Squares from the two points that BlazePose's networks give for a body.

    Args:
        middle: [N, 2] pixels, the middle of the hips.
        top: [N, 2] pixels, straight up the body, on the circle around the middle that holds the whole body.

    Returns:
        [N, 4] as in `extraction.types.People`.
    """
    up = top - middle
    side = 2 * MARGIN * np.hypot(up[:, 0], up[:, 1])
    rotation = np.arctan2(up[:, 0], -up[:, 1])
    roi: Floats = np.concatenate([middle, side[:, None], rotation[:, None]], axis=1).astype(np.float32)
    return roi


def crop_to_image(roi: Floats, size: int) -> npt.NDArray[np.float64]:
    """The affine map from the pixels of a crop to those of the image.

    Args:
        roi: [4] as in `extraction.types.People`.
        size: side of the crop in pixels.

    Returns:
        [2, 3].
    """
    x, y, side, rotation = (float(value) for value in roi)
    scale = side / size
    right: npt.NDArray[np.float64] = scale * np.array(
        [np.cos(rotation), np.sin(rotation)]
    )  # where one pixel to the right in the crop leads
    down = scale * np.array([-np.sin(rotation), np.cos(rotation)])
    corner = np.array([x, y]) - (right + down) * size / 2
    return np.stack([right, down, corner], axis=1)
