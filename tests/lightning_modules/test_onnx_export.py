from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import run
from errors import InputError
from lightning_modules.onnx_export import export_onnx
from run_folder.trained import load_encoder
from run_folder.trained_model import load_model
from tests.datasets import FAST, options
from tests.lightning_modules.encoders.test_encoders import CHANNELS, ENCODERS
from tests.run_folder.forged import forged


@pytest.mark.parametrize("name", ENCODERS)
def test_onnx_agrees_whatever_the_batch(name: str, tmp_path: Path) -> None:
    encoder = ENCODERS[name]
    channels = CHANNELS.get(name, 2)
    export_onnx(encoder, tmp_path / "encoder.onnx", {"poses": [15, channels]})
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx")
    for batch in (1, 2, 77):
        poses = torch.rand(batch, 15, channels)
        (embedding,) = session.run(None, {"poses": poses.numpy()})
        np.testing.assert_allclose(embedding, encoder(poses).detach().numpy(), atol=1e-5)


def hard_poses(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels and confidences with gaps of every kind: no joint, one, no extent along an axis or at all."""
    random = torch.Generator().manual_seed(count)
    xy = 100 * torch.randn(count, 15, 2, generator=random) + 500
    xy[torch.rand(count, 15, generator=random) < torch.linspace(0, 1, count)[:, None]] = torch.nan
    confidence = torch.rand(count, 15, generator=random)
    confidence[torch.rand(count, 15, generator=random) < 0.2] = torch.nan
    special = xy[: min(count, 5)]
    for pose, made in zip(special, ([[3.0, 3.0]] * 15, [[9.0, 7.0]] + [[torch.nan] * 2] * 14), strict=False):
        pose[:] = torch.tensor(made)
    if count > 4:
        xy[2], xy[3, :, 0], xy[4, 5] = torch.nan, 5.0, torch.inf
    return xy, confidence


@pytest.mark.parametrize(
    "normalisation", [{}, {"min_confidence": 0.0, "torso": True}, {"min_confidence": 0.5, "keep_aspect": True}]
)
def test_onnx_of_pixels_agrees_with_the_model(
    normalisation: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = forged(tmp_path, normalisation=normalisation)
    assert run.main(["export", str(checkpoint), "--output", str(tmp_path / "raw.onnx"), "--raw"]) == 0
    said = "raw.onnx: xy [batch, 15, 2] in pixels, NaN where missing"
    wanted = {"xy": [15, 2]}
    if normalisation.get("min_confidence") != 0:
        said += "; confidence [batch, 15], NaN where unknown"
        wanted["confidence"] = [15]
    assert f"{said} -> embedding [batch, E], float32" in capsys.readouterr().out
    model = load_model(checkpoint)
    session = onnxruntime.InferenceSession(tmp_path / "raw.onnx")
    assert {one.name: one.shape for one in session.get_inputs()} == {k: ["batch", *v] for k, v in wanted.items()}
    for batch in (1, 2, 200):
        xy, confidence = (one.numpy() for one in hard_poses(batch))
        given = {"xy": xy, "confidence": confidence}
        (embedding,) = session.run(None, {name: given[name] for name in wanted})
        expected = model.embed(xy, confidence if "confidence" in wanted else None)
        assert batch < 200 or 2 < np.isnan(expected).any(-1).sum() < 100
        np.testing.assert_allclose(embedding, expected, atol=1e-5)


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
