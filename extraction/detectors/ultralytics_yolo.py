"""YOLOv5 and its successors through ultralytics (AGPL-3.0), by our own short path around the network."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import cv2
import numpy as np
import openvino as ov
import torch
from torch import Tensor, nn

from errors import InputError, quoted
from extraction.engines import filled
from extraction.types import Floats, Frame, Image, People
from extraction.weights.ultralytics_weights import load

OVERLAP: Final = 0.7  # boxes that overlap more are one person, as in ultralytics
MOST: Final = 300  # boxes of an image, likewise
STRIDE: Final = 32
GREY: Final = 114
SIZES_KEPT: Final = 8  # of images that the network is kept compiled for


class UltralyticsDetector:
    """Finds people by a network of ultralytics, on a processor by OpenVINO.

    Images are scaled and padded, and boxes chosen, as ultralytics' predictor does it. What is found in a frame does
    not depend on the frames beside it.

    Args:
        weights: see `extraction.weights.ultralytics_weights.load`.
        min_score: people who are less sure than this are not returned.
        image_size: longer side, in pixels, to which an image is scaled; a multiple of 32.
        device: "auto" runs where the rest of the pipeline does; or a name of PyTorch's.
        batch: frames that a GPU takes at once; a processor takes them one by one.
        precision: in which a processor computes the network; boxes are made of what it says in fp32.

    Raises:
        InputError: an option out of range, or weights that are not there, are refused, or know no persons.
    """

    def __init__(
        self,
        weights: str = "yolov5su.pt",
        min_score: float = 0.25,
        image_size: int = 640,
        device: str = "auto",
        batch: int = 8,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        if not 0 < min_score < 1 or image_size < STRIDE or image_size % STRIDE or batch < 1:
            raise InputError(
                "YOLOv5: min_score lies between 0 and 1, image_size is a multiple of 32, batch at least 1; got "
                f"{min_score}, {image_size} and {batch}"
            )
        detector = load(weights)
        self.name = "ultralytics"
        self.weights = detector.weights
        self.min_score = min_score
        self.image_size = image_size
        self.batch = batch
        self.precision = precision
        self._device = device
        self._person = detector.person
        self._body = _Body(detector.module)
        self._network: _OnProcessor | _OnGPU | None = None
        from ultralytics.utils.nms import TorchNMS  # after `load`, which imports it

        self._suppress = TorchNMS.nms

    def place(self, device: str) -> None:
        """See `Detector`."""
        where = device if self._device == "auto" else self._device
        try:
            kind = torch.zeros(1, device=where).device
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"YOLOv5: there is no device {quoted(where)} here; give auto, cpu or cuda:0") from error
        self._network = (
            _OnProcessor(self._body, self.precision) if kind.type == "cpu" else _OnGPU(self._body, kind, self.batch)
        )

    def detect(self, clip_id: str, frames: Sequence[Frame]) -> list[People]:
        """See `Detector`."""
        if not frames:
            return []
        if self._network is None:
            self.place("cpu")
        assert self._network is not None
        images, to_image = letterbox([frame.image for frame in frames], self.image_size)
        height, width = frames[0].image.shape[:2]
        found = []
        for start in range(0, len(images), self._network.batch):
            sides, scores = self._network(images[start : start + self._network.batch])
            for i in range(len(sides)):
                boxes, score = self._choose(torch.from_numpy(sides[i]), torch.from_numpy(scores[i]), images.shape[1:3])
                corners = (boxes.reshape(-1, 2, 2) - to_image.shift) / to_image.scale
                corners = corners.clip(0, np.array([width, height], np.float32))
                found.append(People(corners.reshape(-1, 4).astype(np.float32), score))
        return found

    def _choose(self, sides: Tensor, logits: Tensor, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Boxes [N, 4] in pixels of the letterboxed image and scores [N], best first.

        Args:
            sides: [4 * R, A], for each cell how far the sides of its box are away, as a distribution over R steps.
            logits: [classes, A].
            shape: height and width of the letterboxed image.
        """
        best, kind = logits.sigmoid().max(dim=0)
        cells = ((best > self.min_score) & (kind == self._person)).nonzero()[:, 0]
        cells = cells[best[cells].argsort(descending=True, stable=True)]
        middle, stride = self._body.cells(shape)
        steps = sides.shape[0] // 4
        distance = sides[:, cells].T.reshape(-1, 4, steps)
        if steps > 1:
            distance = distance.softmax(dim=2) * torch.arange(steps)
        reach = distance.sum(dim=2) * stride[cells, None]
        boxes = torch.cat([middle[cells] - reach[:, :2], middle[cells] + reach[:, 2:]], dim=1)
        if not self._body.one_to_one:
            kept = self._suppress(boxes, best[cells], OVERLAP)
            boxes, cells = boxes[kept], cells[kept]
        return boxes[:MOST].numpy(), best[cells[:MOST]].numpy()


class _OnProcessor:
    """OpenVINO, image by image: two threads are busy with one, and no image waits for others.

    The network is translated once, for any size, which takes seconds, and compiled for each size, which takes a tenth
    of that.
    """

    batch = 1

    def __init__(self, body: nn.Module, precision: Literal["fp32", "bf16"]) -> None:
        self._core = ov.Core()
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise InputError("YOLOv5: this processor does not compute in bf16; leave precision at fp32")
        example = torch.zeros((1, 2 * STRIDE, 3 * STRIDE, 3), dtype=torch.uint8)
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of torch.jit.trace, which OpenVINO uses
            self._model = ov.convert_model(body, example_input=example, input=[1, -1, -1, 3])
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": ov.Type.bf16 if precision == "bf16" else ov.Type.f32,
        }
        self._compiled: dict[tuple[int, ...], Any] = {}

    def __call__(self, image: Image) -> list[Floats]:
        """What the body says of one image [1, H, W, 3], as float32."""
        if image.shape not in self._compiled:
            if len(self._compiled) == SIZES_KEPT:
                del self._compiled[next(iter(self._compiled))]
            self._model.reshape(list(image.shape))
            self._compiled[image.shape] = self._core.compile_model(self._model, "CPU", self._options)
        compiled = self._compiled[image.shape]
        said = compiled([image])
        return [np.array(said[output], np.float32) for output in compiled.outputs]


class _OnGPU:
    """PyTorch in fp16, always as many images at once."""

    def __init__(self, body: nn.Module, device: torch.device, batch: int) -> None:
        self.batch = batch
        self._device = device
        self._body = copy.deepcopy(body).to(device, torch.float16)

    def __call__(self, images: Image) -> list[Floats]:
        """What the body says of images [B, H, W, 3], as float32."""
        with torch.inference_mode():
            said = self._body(torch.from_numpy(filled(images, self.batch)).to(self._device))
            return [np.asarray(part[: len(images)].float().cpu().numpy(), np.float32) for part in said]


class ToImage(NamedTuple):
    """Where a letterboxed image lies: it was scaled by `scale` [2] (x, y), then moved by `shift` [2]."""

    scale: Floats
    shift: Floats


def letterbox(images: Sequence[Image], longer_side: int) -> tuple[Image, ToImage]:
    """Images of one size, scaled and padded with grey to sides that are multiples of 32, [B, h, w, 3].

    The same pixels as ultralytics makes of them.
    """
    height, width = images[0].shape[:2]
    scale = longer_side / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (((longer_side - side) % STRIDE) / 2 for side in size)
    border = round(top - 0.1), round(top + 0.1), round(left - 0.1), round(left + 0.1)
    scaled = [cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) for image in images]
    padded = [cv2.copyMakeBorder(image, *border, cv2.BORDER_CONSTANT, value=(GREY,) * 3) for image in scaled]
    to_image = ToImage(np.array(size, np.float32) / (width, height), np.array([border[2], border[0]], np.float32))
    return np.stack(padded).astype(np.uint8), to_image


class _Body(nn.Module):
    """A detector up to what its last layer says of every cell, before boxes are made of it.

    Args:
        detector: ultralytics' DetectionModel; its batch normalisation is folded into the convolutions.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.layers = detector.fuse(verbose=False).model  # type: ignore[operator]  # a method, torch cannot tell
        self.one_to_one = bool(self.layers[-1].end2end)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What is said of images uint8 [B, H, W, 3], RGB: sides [B, 4 * R, A] and logits of classes [B, C, A]."""
        outputs: list[Tensor] = []
        last = images.permute(0, 3, 1, 2).to(next(self.layers.parameters()).dtype) / 255
        for layer in self.layers[:-1]:
            last = layer(_inputs(layer.f, last, outputs))
            outputs.append(last)
        head = self.layers[-1]
        parts = head.one2one if self.one_to_one else head.one2many
        said = head.forward_head(_inputs(head.f, last, outputs), **parts)
        return said["boxes"], said["scores"]

    def cells(self, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Middles [A, 2] (x, y) and strides [A] of the cells of images of a height and width, in pixels."""
        middles, strides = [], []
        for stride in self.layers[-1].stride.tolist():
            rows, columns = (torch.arange(side / stride) * stride + stride / 2 for side in shape)
            y, x = torch.meshgrid(rows, columns, indexing="ij")
            middles.append(torch.stack([x, y], dim=2).reshape(-1, 2))
            strides.append(torch.full((x.numel(),), stride))
        return torch.cat(middles), torch.cat(strides)


def _inputs(source: int | list[int], last: Tensor, outputs: list[Tensor]) -> Tensor | list[Tensor]:
    if isinstance(source, int):
        return last if source == -1 else outputs[source]
    return [last if index == -1 else outputs[index] for index in source]
