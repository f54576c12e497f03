"""I3D features, of the network that most methods of action quality assessment start from."""

from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch

from errors import InputError
from extraction.engines import Network
from extraction.engines.batch_runner import Runner, Runs
from extraction.features.feature_precision import prove
from extraction.features.inception import WIDTH, InceptionI3D
from extraction.features.video_networks import RANDOM, RANDOM_WEIGHTS, centre_crop, draw_convolutions, load_file
from extraction.types import Decision, Floats, Image

SHORT_SIDE: Final = 256
SIDE: Final = 224
PORTION: Final = 1
"""Windows that OpenVINO takes at once: one keeps a core busy, and a short batch need not be filled up."""
WHERE: Final = (
    "download model/model_rgb.pth from https://github.com/hassony2/kinetics_i3d_pytorch and give its path "
    "(--extractor.init_args.weights)"
)


class I3D(Runs):
    """Carreira & Zisserman, Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, CVPR 2017.

    The RGB stream, 1,024 numbers a window: the mean of the last inception module over time and space. Frames are
    resized to 256 pixels on the shorter side; the network sees the 224x224 in the middle, scaled to [-1, 1].

    Args:
        weights: path of `model_rgb.pth` of https://github.com/hassony2/kinetics_i3d_pytorch (Kinetics-400), or of
            another file with the same names; "random" for untrained ones, always the same.
        precision: "auto" proves the fastest one that the processor has on the first windows, see `prepare`.
        engine: "auto" is OpenVINO on a processor and PyTorch on a GPU.
        batch: windows that the network takes at once.

    Raises:
        InputError: no weights, ones that do not fit, or an empty batch.
    """

    name = "I3D"
    width = WIDTH
    length: int | None = None

    def __init__(
        self,
        weights: str | None = None,
        precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
        engine: Literal["auto", "openvino", "torch"] = "auto",
        batch: int = 4,
    ) -> None:
        if batch < 1:
            raise InputError(f"I3D: a batch holds at least one window, got {batch}")
        if weights is None:
            raise InputError(f'I3D: no weights; {WHERE}, or "random" for untrained ones')
        self.batch = batch
        with torch.random.fork_rng(devices=[]):
            body = InceptionI3D()
        if weights == RANDOM:
            draw_convolutions(body)
            self.weights = RANDOM_WEIGHTS
        else:
            self.weights = load_file(body, Path(weights), "I3D", WHERE)
        middle = (127.5, 127.5, 127.5)
        network = Network(body, mean=middle, std=middle)
        self._runner = Runner("I3D", network, precision, engine, batch, PORTION)

    def crop(self, image: Image) -> Image:
        """See `Extractor`."""
        return centre_crop(image, SHORT_SIDE, SIDE)

    def network(self, windows: Image) -> Floats:
        """See `Extractor`: [B, 1024]."""
        return np.asarray(self._runner(windows)[0], np.float32)

    def prepare(self, windows: Image, decided: str | None) -> Decision | None:
        """See `Extractor`: chooses the precision by comparing features of the first windows, unless one was asked for.

        Raises:
            InputError: what was decided before does not run here.
        """
        return self._runner.prepare(self.name, windows, decided, prove)
