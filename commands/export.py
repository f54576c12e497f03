"""`python run.py export CHECKPOINT`: the encoder of a trained model as ONNX."""

from collections.abc import Sequence
from pathlib import Path

from commands import OptionParser
from errors import InputError
from lightning_modules.onnx_export import export_onnx
from poses.skeleton import JOINTS
from run_folder.trained_model import load_model


def run(arguments: Sequence[str]) -> int:
    """Write the ONNX file."""
    parser = OptionParser(prog="run.py export", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="of a training run, or its folder, such as runs/demo/version_0")
    parser.add_argument("--output", type=Path, default=Path("encoder.onnx"), help="the file to write (%(default)s)")
    parser.add_argument("--raw", action="store_true", help="take pixels: the model's normalisation goes into the graph")
    options = parser.parse_args(arguments[1:])
    model = load_model(options.checkpoint)
    if model.encoder is None:
        raise InputError(f"{options.checkpoint}: its model regresses scores and has no encoder of its own to export")
    joints = len(JOINTS)
    if options.raw:
        inputs, said = {"xy": [joints, 2]}, f"xy [batch, {joints}, 2] in pixels, NaN where missing"
        if model.normalisation.min_confidence > 0:
            inputs["confidence"] = [joints]
            said += f"; confidence [batch, {joints}], NaN where unknown"
        export_onnx(model, options.output, inputs)
    else:
        said = f"poses [batch, {joints}, C] normalised to [0, 1]"
        export_onnx(model.encoder, options.output, {"poses": [joints, getattr(model.encoder, "in_channels", 2)]})
    print(f"{options.output}: {said} -> embedding [batch, E], float32")
    return 0
