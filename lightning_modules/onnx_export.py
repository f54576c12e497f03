"""Exporting a network to ONNX."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from files import write_atomically


def export_onnx(network: nn.Module, path: Path, inputs: Mapping[str, Sequence[int]]) -> None:
    """Write a network as ONNX with a dynamic batch: output `embedding` [B, E], all float32.

    Args:
        network: from one or two inputs to embeddings.
        path: the file to write.
        inputs: by name, the shape of each without the batch.
    """
    batches = [torch.export.Dim("batch", min=1), torch.export.Dim.DYNAMIC]  # the same name twice is warned of
    program = torch.onnx.export(
        network.eval().float().cpu(),
        tuple(torch.rand(2, *shape) for shape in inputs.values()),
        input_names=list(inputs),
        output_names=["embedding"],
        dynamic_shapes=tuple({0: batch} for batch in batches[: len(inputs)]),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    write_atomically(path, program.model_proto.SerializeToString())
