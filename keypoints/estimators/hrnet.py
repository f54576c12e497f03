"""HRNet by mmpose's configs and weights, run by our own batched path: crop, network and decoding."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from errors import InputError
from keypoints.engines import Engine, Network, Precision
from keypoints.engines.openvino_engine import Model, OpenVINOEngine, converted
from keypoints.engines.torch_engine import TorchEngine
from keypoints.precision import prove
from keypoints.types import Crop, Decision, Floats, Image, Keypoints

PORTION = 4
"""Crops that OpenVINO takes at once: as fast as any more, and a short batch is filled up with fewer black ones."""


class HRNet:
    """Sun et al., Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.

    Crops and decodes as the mmpose config in use does; other top-down configs of mmpose work as well. The engine is
    made when it is first needed, and takes the place of the torch module.

    Args:
        model: width of the network.
        dataset: what it was trained on; decides the keypoints (COCO-17, MPII-16) and the size of the crops (256x192,
            256x256).
        config: path of another mmpose config, which takes the place of the one that `model` and `dataset` name. It is
            Python, which mmengine runs: use configs whose origin you trust.
        weights: path of a checkpoint; "random" for untrained ones, always the same; None for those that mmpose
            published, downloaded on first use.
        precision: "auto" proves the fastest one that the processor has on the first crops, see `prepare`.
        engine: "auto" is OpenVINO on a processor and PyTorch on a GPU.
        flip_test: look at the mirrored crop too, and take the mean: twice the time.
        batch: crops that the network takes at once.

    Raises:
        InputError: what is asked for is not there or does not fit together.
    """

    def __init__(
        self,
        model: Literal["w32", "w48"] = "w32",
        dataset: Literal["coco", "mpii"] = "coco",
        config: str | None = None,
        weights: str | None = None,
        precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
        engine: Literal["auto", "openvino", "torch"] = "auto",
        flip_test: bool = False,
        batch: int = 16,
    ) -> None:
        if batch < 1:
            raise InputError(f"HRNet: a batch holds at least one crop, got {batch}")
        self.batch = batch
        self._asked_engine = engine
        try:
            from keypoints.mmpose_model import build, shipped_config
        except ModuleNotFoundError as error:
            raise InputError(
                f"HRNet needs mmpose ({error}): pip install -r requirements.txt, or use --config blazepose.yaml"
            ) from error
        path = shipped_config(model, dataset) if config is None else Path(config)
        built = build(path, weights, flip_test)
        self.name = f"mmpose {built.name}{' with flip test' if flip_test else ''}"
        self.weights = built.weights
        self.layout = built.layout
        self._warp = built.warp
        self._decoding = built.decoding
        self._network: Network | None = built.network
        self._converted: Model | None = None
        self._engine: Engine | None = None
        self._precision: Precision | None = None if precision == "auto" else precision

    @property
    def precision_in_use(self) -> Precision:
        """What the network runs in: as asked for, else as `prepare` decided, else fp32."""
        return self._precision or "fp32"

    def place(self, device: str) -> None:
        """See `Estimator`.

        Raises:
            InputError: there is no such device, or the engine or precision asked for does not run on it.
        """
        self._device = _device(device)
        fitting: Literal["openvino", "torch"] = "torch" if self._device.type == "cuda" else "openvino"
        self._engine_name = fitting if self._asked_engine == "auto" else self._asked_engine
        if self._engine_name == "openvino" and self._device.type != "cpu":
            raise InputError(
                f"HRNet: openvino runs on the processor, not on {device}; choose the engine torch, or auto"
            )
        self._precisions = (
            OpenVINOEngine.precisions() if self._engine_name == "openvino" else TorchEngine.precisions(self._device)
        )
        if self._precision is not None:
            self._checked(self._precision)

    def crop(self, image: Image, box: Floats, roi: Floats | None = None, turns: int = 0) -> Crop:
        """See `Estimator`; `roi` is not used."""
        return self._warp.cut(image, box, turns)

    def network(self, pixels: Image) -> tuple[Floats, ...]:
        """See `Estimator`: heatmaps [B, K, H, W], or what the config's codec takes."""
        if self._engine is None:
            self._settle(self.precision_in_use)
        assert self._engine is not None
        return self._engine(pixels)

    def decode(self, raw: tuple[Floats, ...], crops: Sequence[Crop]) -> Keypoints:
        """See `Estimator`."""
        xy, confidence = self._decode(raw)
        to_image = np.stack([crop.to_image for crop in crops])
        xy = (np.einsum("bij,bkj->bki", to_image[:, :, :2], xy) + to_image[:, None, :, 2]).astype(np.float32)
        return Keypoints(xy, confidence)

    def prepare(self, pixels: Image, decided: str | None) -> Decision | None:
        """See `Estimator`: chooses the precision by comparing keypoints on the first crops, unless one was asked for.

        The drift is measured against the shortest that the longer side of a box can be in a crop.

        Raises:
            InputError: what was decided before does not run here.
        """
        if self._precision is not None:
            return None
        if decided is not None:
            self._settle(self._checked(decided))
            return Decision(decided, f"{self.name}: {self._engine_name} in {decided}, as decided before")
        fast = self._precisions[0]
        if fast == "fp32":
            self._settle(fast)
            return Decision(fast, f"{self.name}: {self._engine_name} in fp32, {self._device} has no faster precision")
        exact, quick = self._make("fp32"), self._make(fast)
        choice = prove((fast, quick), exact, self._decode, pixels, self._warp.shortest_side())
        self._take(choice.precision, quick if choice.precision == fast else exact)
        return Decision(choice.precision, f"{self.name}: {self._engine_name} in {choice.why}")

    def _settle(self, precision: Precision) -> None:
        self._take(precision, self._make(precision))

    def _take(self, precision: Precision, engine: Engine) -> None:
        """Keep this engine, and nothing else that holds the weights."""
        self._precision, self._engine = precision, engine
        self._network = self._converted = None

    def _checked(self, precision: str) -> Precision:
        for fitting in self._precisions:
            if fitting == precision:
                return fitting
        raise InputError(
            f"HRNet: {precision} is not fast here with {self._engine_name} on {self._device}; choose "
            f"{' or '.join(self._precisions)}, in a new cache if this one was begun in {precision}"
        )

    def _make(self, precision: Precision) -> Engine:
        assert self._network is not None
        if self._engine_name == "openvino":
            if self._converted is None:
                self._converted = converted(self._network, min(PORTION, self.batch), self._warp.size)
            return OpenVINOEngine(self._converted, precision, self.batch)
        return TorchEngine(self._network, self.batch, self._warp.size, precision, self._device)

    def _decode(self, raw: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        """Keypoints in crop pixels [B, K, 2] and their confidence [B, K] in [0, 1]."""
        xy, confidence = self._decoding(raw)
        return self._warp.from_mmpose(xy), np.nan_to_num(confidence.clip(0, 1))


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"HRNet: no device {name!r} ({reason}); choose cpu or cuda") from error
    return device
