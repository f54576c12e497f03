"""`python run.py export CHECKPOINT`: the encoder of a trained model as ONNX."""

from collections.abc import Sequence
from pathlib import Path

from commands import OptionParser
from lightning_modules.onnx_export import export_onnx
from run_folder.trained import load_encoder


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    parser = OptionParser(prog="run.py export", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, such as runs/demo/version_0/checkpoints/best.ckpt")
    parser.add_argument("--output", type=Path, default=Path("encoder.onnx"), help="the file to write (%(default)s)")
    options = parser.parse_args(arguments[1:])
    export_onnx(load_encoder(options.checkpoint), options.output)
    print(f"{options.output}: poses [batch, 15, C] normalised to [0, 1] -> embedding [batch, E], float32")
    return 0
