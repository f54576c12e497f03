"""What video networks share: the part of a frame that they see, and their weights, a file's or drawn ones."""

import math
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import nn

from errors import InputError
from extraction.types import Image, Weights
from extraction.weights.weight_files import fill, load_state_dict, sha256_of

RANDOM: Final = "random"
SEED: Final = 0
RANDOM_WEIGHTS: Final = Weights(f"random (seed {SEED}), not trained", None, "unknown")


def draw_convolutions(module: nn.Module) -> None:
    """Draw the weights of 3D convolutions, always the same, so that their features differ from window to window.

    Without normalisation by what was seen in training, torch's own draw makes activations vanish layer by layer, and
    He's makes those of all windows alike: after a ReLU all channels have a positive mean, of which every further layer
    hands on more than of the differences. Here the weights of every filter sum to zero, which takes that mean away, and
    their variance keeps the activations at one scale: 1 / fan-in over the variance that a ReLU leaves of a normal
    variable, 1/2 - 1/(2 pi).
    """
    generator = torch.Generator().manual_seed(SEED)
    kept = 0.5 - 0.5 / math.pi
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv3d):
                weight = torch.randn(layer.weight.shape, generator=generator)
                weight -= weight.mean(dim=(1, 2, 3, 4), keepdim=True)
                layer.weight.copy_(weight / math.sqrt(weight[0].numel() * kept))


def load_file(module: nn.Module, path: Path, name: str, otherwise: str) -> Weights:
    """Load the weights of a file into a module.

    The counters that batch normalisation has since PyTorch 0.4.1 may be absent: they are of no use here.

    Args:
        module: takes them.
        path: of a checkpoint with the weights alone.
        name: of the network, for messages.
        otherwise: what to do if the file is of another one, for messages.

    Raises:
        InputError: the file cannot be read, is no checkpoint, or is one of another network.
    """
    sha256 = sha256_of(path)
    state = dict(load_state_dict(path))  # a plain one says nothing of versions; then the counters need not be there
    fill(module, state, path, name, otherwise)
    return Weights(path.name, sha256, "unknown")


LONGEST: Final = 16  # times the shorter side; a frame of 10,000x1 would take gigabytes when enlarged


def centre_crop(image: Image, resize: int | tuple[int, int], side: int, shrinking: int = cv2.INTER_AREA) -> Image:
    """Resize a frame and cut a square out of its middle, to the same pixels as torchvision's transforms.

    Args:
        image: uint8 [H, W, 3].
        resize: length of the shorter side, or height and width.
        side: of the square; not longer than what it is cut out of.
        shrinking: cv2's interpolation for frames that get smaller; those that get larger are interpolated linearly.

    Returns:
        uint8 [side, side, 3], contiguous.

    Raises:
        InputError: a frame that is more than 16 times as long as wide.
    """
    height, width = image.shape[:2]
    short, long = sorted((height, width))
    if long > LONGEST * short:
        raise InputError(f"a frame of {width}x{height} pixels is too narrow to be cropped; leave the clip out")
    if isinstance(resize, int):
        other = int(resize * long / short)
        new_height, new_width = (resize, other) if height <= width else (other, resize)
    else:
        new_height, new_width = resize
    if (new_height, new_width) != (height, width):
        interpolation = shrinking if new_height < height else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (new_width, new_height), interpolation=interpolation), np.uint8)
    top, left = round((new_height - side) / 2), round((new_width - side) / 2)
    return np.ascontiguousarray(image[top : top + side, left : left + side])
