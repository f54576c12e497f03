"""Features of the video networks that torchvision publishes with weights, which download by themselves."""

import re
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import torch
from torch import nn

from errors import InputError
from extraction.engines import Network
from extraction.engines.batch_runner import Runner, Runs
from extraction.features.video_networks import RANDOM, RANDOM_WEIGHTS, centre_crop, draw_convolutions, load_file
from extraction.types import Decision, Floats, Image
from extraction.weights.weight_files import fetched

NAMES: Final = {"s3d": "S3D", "mvit_v2_s": "MViTv2-S"}
OTHERWISE: Final = 'give a local file (--extractor.init_args.weights), or "random" for untrained weights'


class TorchvisionVideo(Runs):
    """A video network of torchvision up to its classifier, run by PyTorch in fp32.

    Frames are resized, cropped and normalised as torchvision does for the published weights: S3D sees the middle
    224x224 of 256x256, MViTv2-S that of a frame of 256 pixels on the shorter side.

    Args:
        model: "s3d" (Xie et al., Rethinking Spatiotemporal Feature Learning, ECCV 2018; 1,024 numbers a window of 14
            frames or more) or "mvit_v2_s" (Li et al., MViTv2, CVPR 2022; 768 numbers a window of exactly 16 frames).
        weights: path of a state dict of torchvision's; "random" for untrained ones, always the same; None for those
            that torchvision published (Kinetics-400), downloaded to where torchvision keeps them on first use.
        batch: windows that the network takes at once.

    Raises:
        InputError: torchvision is not installed, no such weights, ones that do not fit, or an empty batch.
    """

    def __init__(self, model: Literal["s3d", "mvit_v2_s"] = "s3d", weights: str | None = None, batch: int = 4) -> None:
        if batch < 1:
            raise InputError(f"TorchvisionVideo: a batch holds at least one window, got {batch}")
        try:
            from torchvision.models import get_model, get_model_weights
        except ModuleNotFoundError as error:
            raise InputError(
                f"TorchvisionVideo needs torchvision ({error}): pip install -r requirements.txt, or use I3D"
            ) from error
        self.name = NAMES[model]
        self.batch = batch
        published = get_model_weights(model).KINETICS400_V1
        self._shortest: int = published.meta["min_temporal_size"]
        self.length = self._shortest if model == "mvit_v2_s" else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            body: Any = get_model(model, weights=None)
        if weights == RANDOM:
            draw_convolutions(body)
            self.weights = RANDOM_WEIGHTS
        else:
            path = _downloaded(published.url) if weights is None else Path(weights)
            self.weights = load_file(body, path, self.name, OTHERWISE)
        self.width: int
        if model == "s3d":
            self.width, body.classifier = body.classifier[1].in_channels, nn.Identity()
        else:
            self.width, body.head = body.head[1].in_features, nn.Identity()
        before = published.transforms()
        (self._side, _) = before.crop_size
        self._resize = before.resize_size[0] if len(before.resize_size) == 1 else tuple(before.resize_size)
        mean, std = ([255 * value for value in values] for values in (before.mean, before.std))
        self._runner = Runner("TorchvisionVideo", Network(body, mean=mean, std=std), "fp32", "torch", batch, batch)

    def crop(self, image: Image) -> Image:
        """See `Extractor`; linear without smoothing, as in training."""
        return centre_crop(image, self._resize, self._side, shrinking=cv2.INTER_LINEAR)

    def network(self, windows: Image) -> Floats:
        """See `Extractor`: what the classifier gets, [B, 1024] or [B, 768].

        Raises:
            InputError: windows of too few frames.
        """
        self._check_length(windows)
        return np.asarray(self._runner(windows)[0], np.float32)

    def prepare(self, windows: Image, decided: str | None) -> Decision | None:
        """See `Extractor`: there is nothing to choose, but windows are looked at before a run begins.

        Raises:
            InputError: windows of too few frames.
        """
        self._check_length(windows)
        return None

    def _check_length(self, windows: Image) -> None:
        if (frames := windows.shape[1]) < self._shortest:
            raise InputError(
                f"windows: {self.name} takes windows of {self._shortest} frames or more, got {frames}; "
                "give --windows.length 16"
            )


def _downloaded(url: str) -> Path:
    prefix = re.fullmatch(r".*-([0-9a-f]{8})\.pth", url)
    assert prefix is not None
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return fetched(url, prefix[1], folder, f"put the file there yourself, {OTHERWISE}")
