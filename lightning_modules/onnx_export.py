"""Exporting an encoder to ONNX."""

from pathlib import Path

import torch
from torch import Tensor, nn

from files import write_atomically
from poses.normalisation import Normalisation
from poses.skeleton import JOINTS


class PixelEncoder(nn.Module):
    """An encoder with its normalisation before it, for graphs.

    Args:
        encoder: normalised poses [N, 15, 2] to embeddings [N, E].
        normalisation: of its training.

    Shapes:
        xy [N, 15, 2] in any unit, NaN where missing, and confidence [N, 15], NaN where unknown, to [N, E], NaN for a
        pose without a joint.
    """

    def __init__(self, encoder: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.encoder = encoder
        self.normalisation = normalisation

    def forward(self, xy: Tensor, confidence: Tensor | None = None) -> Tensor:
        """See the class."""
        poses, present = self.normalisation.in_graph(xy, confidence)
        embedding: Tensor = self.encoder(poses)
        return embedding.masked_fill(~present.any(-1, keepdim=True), torch.nan)


def export_onnx(
    encoder: nn.Module, path: Path, channels: int = 2, normalisation: Normalisation | None = None
) -> dict[str, list[int]]:
    """Write an encoder as ONNX with a dynamic batch, output `embedding` [B, E], float32.

    The input is `poses` [B, 15, C], normalised. With a normalisation it is `xy` [B, 15, 2] in any unit, NaN where
    missing, and, where low confidences make joints missing, `confidence` [B, 15], NaN where unknown.

    Args:
        encoder: any pose encoder.
        path: the file to write.
        channels: C, numbers a joint.
        normalisation: goes into the graph, before the encoder.

    Returns:
        The inputs by name, and their shapes without the batch.
    """
    inputs = {"poses": [len(JOINTS), channels]}
    if normalisation is not None:
        encoder, inputs = PixelEncoder(encoder, normalisation), {"xy": [len(JOINTS), 2]}
        if normalisation.min_confidence > 0:
            inputs["confidence"] = [len(JOINTS)]
    batches = [torch.export.Dim("batch", min=1), torch.export.Dim.DYNAMIC]  # the same name twice is warned of
    program = torch.onnx.export(
        encoder.eval().float().cpu(),
        tuple(torch.rand(2, *shape) for shape in inputs.values()),
        input_names=list(inputs),
        output_names=["embedding"],
        dynamic_shapes=tuple({0: batch} for _, batch in zip(inputs, batches, strict=False)),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    write_atomically(path, program.model_proto.SerializeToString())
    return inputs
