from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import run
from errors import InputError
from lightning_modules.onnx_export import export_onnx
from run_folder.trained import load_encoder
from tests.datasets import FAST, options
from tests.lightning_modules.encoders.test_encoders import CHANNELS, ENCODERS


@pytest.mark.parametrize("name", ENCODERS)
def test_onnx_agrees_whatever_the_batch(name: str, tmp_path: Path) -> None:
    encoder = ENCODERS[name]
    channels = CHANNELS.get(name, 2)
    export_onnx(encoder, tmp_path / "encoder.onnx", channels)
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx")
    for batch in (1, 2, 77):
        poses = torch.rand(batch, 15, channels)
        (embedding,) = session.run(None, {"poses": poses.numpy()})
        np.testing.assert_allclose(embedding, encoder(poses).detach().numpy(), atol=1e-5)


def test_the_encoder_of_a_checkpoint_comes_back(tmp_path: Path) -> None:
    words = [*options("demo.yaml", tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    assert run.main(["fit", *words, "--model.encoder.channels=4", "--model.encoder.activation=torch.nn.ELU"]) == 0
    checkpoint = tmp_path / "runs" / "demo" / "version_0" / "checkpoints" / "best.ckpt"
    encoder = load_encoder(checkpoint)
    saved = torch.load(checkpoint, weights_only=True)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, saved["state_dict"][f"encoder.{name}"])
    assert run.main(["export", str(checkpoint), "--output", str(tmp_path / "encoder.onnx")]) == 0
    assert (tmp_path / "encoder.onnx").stat().st_size > 1000

    for class_path in ("subprocess.Popen", "torch.nn.Linear", "lightning_modules.encoders.Nothing"):
        saved["config"] = f"model: {{init_args: {{encoder: {{class_path: {class_path}}}}}}}"
        torch.save(saved, tmp_path / "forged.ckpt")
        with pytest.raises(InputError, match=r"forged\.ckpt"):
            load_encoder(tmp_path / "forged.ckpt")
