"""I3D: Inception-v1 with all its filters inflated into time (Carreira & Zisserman, Quo Vadis?, CVPR 2017)."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH: Final = 1024
CLASSES: Final = 400  # of Kinetics-400


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """How many cells TensorFlow's padding SAME adds before and after an axis: what ceil(size / stride) steps need."""
    steps = -(-size // stride)
    lacking = max((steps - 1) * stride + kernel - size, 0)
    return lacking // 2, lacking - lacking // 2


class Convolution(nn.Module):
    """Convolution with padding SAME, batch normalisation, ReLU.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        kernel: along time, height and width alike.
        stride: likewise.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        # an odd kernel that moves by one cell wants the same padding on both sides, whatever the size
        padding = kernel // 2 if stride == 1 else 0
        self.conv3d = nn.Conv3d(channels_in, channels_out, kernel, stride, padding, bias=False)
        self.batch3d = nn.BatchNorm3d(channels_out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels_in, L, H, W] to [B, channels_out, L / stride, H / stride, W / stride], rounded up."""
        if self.stride > 1:
            pads = [same(int(size), self.kernel, self.stride) for size in x.shape[2:]]
            x = functional.pad(x, [cells for pair in reversed(pads) for cells in pair])
        return functional.relu(self.batch3d(self.conv3d(x)))


class MaxPool(nn.Module):
    """Maximum with padding SAME over what is nowhere negative.

    There, zeros around the input change no maximum: padding it is the same as leaving out what lies outside, which is
    what torch's own padding and its ceil mode do without a copy.

    Args:
        kernel: along time, height and width.
        stride: likewise.
    """

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, L, H, W], not negative, to the same divided by the stride, rounded up."""
        before = [same(int(x.shape[2 + i]), self.kernel[i], self.stride[i])[0] for i in range(3)]
        return functional.max_pool3d(x, self.kernel, self.stride, before, ceil_mode=True)


class Mixed(nn.Module):
    """An inception module: four branches side by side.

    Args:
        channels_in: of the input.
        channels: six numbers that go out of 1x1 | 1x1 -> 3x3 | 1x1 -> 3x3 | pool -> 1x1.
    """

    def __init__(self, channels_in: int, *channels: int) -> None:
        super().__init__()
        plain, narrow_1, wide_1, narrow_2, wide_2, pooled = channels
        self.branch_0 = Convolution(channels_in, plain)
        self.branch_1 = nn.Sequential(Convolution(channels_in, narrow_1), Convolution(narrow_1, wide_1, 3))
        self.branch_2 = nn.Sequential(Convolution(channels_in, narrow_2), Convolution(narrow_2, wide_2, 3))
        self.branch_3 = nn.Sequential(MaxPool((3, 3, 3), (1, 1, 1)), Convolution(channels_in, pooled))

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels_in, L, H, W] to as many cells."""
        return torch.cat([self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(x)], dim=1)


class Classes(nn.Module):
    """The layer that says which of the classes a window shows; features are taken before it, so it does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(WIDTH, CLASSES, 1)


class InceptionI3D(nn.Module):
    """The RGB stream of I3D up to its features.

    Names and shapes of the weights are those of hassony2's port of the published ones, `model_rgb.pth` of
    https://github.com/hassony2/kinetics_i3d_pytorch, so that this file loads as it is. Padding is TensorFlow's SAME, in
    which the weights were trained, whatever the size of the input; the port has it where time is a multiple of 4
    frames, and height and width of 16 pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        layers = {
            "conv3d_1a_7x7": Convolution(3, 64, 7, 2),
            "maxPool3d_2a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
            "conv3d_2b_1x1": Convolution(64, 64),
            "conv3d_2c_3x3": Convolution(64, 192, 3),
            "maxPool3d_3a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
            "mixed_3b": Mixed(192, 64, 96, 128, 16, 32, 32),
            "mixed_3c": Mixed(256, 128, 128, 192, 32, 96, 64),
            "maxPool3d_4a_3x3": MaxPool((3, 3, 3), (2, 2, 2)),
            "mixed_4b": Mixed(480, 192, 96, 208, 16, 48, 64),
            "mixed_4c": Mixed(512, 160, 112, 224, 24, 64, 64),
            "mixed_4d": Mixed(512, 128, 128, 256, 24, 64, 64),
            "mixed_4e": Mixed(512, 112, 144, 288, 32, 64, 64),
            "mixed_4f": Mixed(528, 256, 160, 320, 32, 128, 128),
            "maxPool3d_5a_2x2": MaxPool((2, 2, 2), (2, 2, 2)),
            "mixed_5b": Mixed(832, 256, 160, 320, 32, 128, 128),
            "mixed_5c": Mixed(832, 384, 192, 384, 48, 128, 128),
        }
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.conv3d_0c_1x1 = Classes()

    def forward(self, windows: Tensor) -> Tensor:
        """Features of windows: the mean of the last inception module over time and space.

        Args:
            windows: [B, 3, L, H, W], RGB, in [-1, 1]; trained on H = W = 224.

        Returns:
            [B, 1024]; at 16x224x224 what the class layer gets in the port.
        """
        x = windows
        for layer in [*self.children()][:-1]:
            x = layer(x)
        features: Tensor = x.mean(dim=(2, 3, 4))
        return features
