"""HRNet by mmpose's configs and weights, run by our own batched path: crop, network and decoding."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from errors import InputError
from extraction.engines import Engine, Precision
from extraction.engines.batch_runner import Runner, Runs
from extraction.engines.precision import Choice, prove
from extraction.types import Crop, Decision, Floats, Image, Keypoints

PORTION = 4
"""Crops that OpenVINO takes at once: as fast as any more, and a short batch is filled up with fewer black ones."""


class HRNet(Runs):
    """Sun et al., Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.

    Crops and decodes as the mmpose config in use does; other top-down configs of mmpose work as well.

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
        try:
            from extraction.estimators.mmpose_model import build, shipped_config
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
        self._runner = Runner("HRNet", built.network, precision, engine, batch, PORTION)

    def crop(self, image: Image, box: Floats, roi: Floats | None = None, turns: int = 0) -> Crop:
        """See `Estimator`; `roi` is not used."""
        return self._warp.cut(image, box, turns)

    def network(self, pixels: Image) -> tuple[Floats, ...]:
        """See `Estimator`: heatmaps [B, K, H, W], or what the config's codec takes."""
        return self._runner(pixels)

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
        return self._runner.prepare(self.name, pixels, decided, self._prove)

    def _prove(self, fast: Precision, quick: Engine, exact: Engine, pixels: Image) -> Choice:
        return prove((fast, quick), exact, self._decode, pixels, self._warp.shortest_side())

    def _decode(self, raw: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        """Keypoints in crop pixels [B, K, 2] and their confidence [B, K] in [0, 1]."""
        xy, confidence = self._decoding(raw)
        return self._warp.from_mmpose(xy), np.nan_to_num(confidence.clip(0, 1))
