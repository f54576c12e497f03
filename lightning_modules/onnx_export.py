"""Exporting an encoder to ONNX."""

from pathlib import Path

import torch
from torch import nn

from files import write_atomically
from poses.skeleton import JOINTS


def export_onnx(encoder: nn.Module, path: Path, channels: int = 2) -> None:
    """Write an encoder as ONNX with a dynamic batch: input `poses` [B, 15, C], output `embedding` [B, E], float32.

    Args:
        encoder: any pose encoder.
        path: the file to write.
        channels: C, numbers a joint.
    """
    encoder = encoder.eval().float().cpu()
    example = torch.rand(2, len(JOINTS), channels)
    program = torch.onnx.export(
        encoder,
        (example,),
        input_names=["poses"],
        output_names=["embedding"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    write_atomically(path, program.model_proto.SerializeToString())
