import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import run
from cli.config_files import CONFIGS
from cli.fit_options import FitOptions
from datamodules.base import PoseDataModule
from poses.cache.feature_cache import FeatureProvenance, write_features
from poses.cache.keypoint_cache import list_clips
from tests.datasets import FAST, options

BASE = "trainer.yaml"
CONTENT = {path.name: yaml.safe_load(path.read_text()) for path in CONFIGS.glob("*.yaml") if path.name != BASE}
DATASETS = sorted(  # the others cannot train by themselves
    name for name, keys in CONTENT.items() if "class_path" in keys.get("data", {}) and "model" in keys
)
OVERLAYS = sorted(name for name, keys in CONTENT.items() if "model" in keys and name not in DATASETS)
ON_CORE = {"difference.yaml", "gcn_source.yaml", "stgcn_source.yaml", "trained_source.yaml"}
"""Overlays that are laid over core.yaml in their turn."""
HEADS = {name for name in OVERLAYS if "exemplar_pairs" in CONTENT[name].get("data", {}).get("init_args", {})} | ON_CORE
ON_FEATURES = {"core_features.yaml", "tpt_features.yaml"}
PAIRS: list[tuple[str, str | None]] = [(config, None) for config in DATASETS]
PAIRS += [("demo.yaml", name) for name in OVERLAYS]
PAIRS += [("aqa7.yaml", name) for name in OVERLAYS if name not in ON_CORE]
PAIRS += [
    (config, name)
    for config in DATASETS
    if config not in ("demo.yaml", "aqa7.yaml")
    for name in ("core.yaml", "tpt.yaml")
]


def overlay_options(config: str, overlay: str | None, folder: Path) -> list[str]:
    """`--config` of an overlay and what it needs: the one below it, a feature cache or a checkpoint."""
    if overlay is None:
        return []
    words = ["--config", "core.yaml", "--config", overlay] if overlay in ON_CORE else ["--config", overlay]
    if overlay == "trained_source.yaml":
        assert run.main(["fit", *options(config, folder), *FAST, f"--trainer.logger.folder={folder / 'trained'}"]) == 0
        words.append(f"--model.source.checkpoint={folder / 'trained' / 'checkpoints' / 'best.ckpt'}")
    if overlay in ON_FEATURES:
        made = options(config, folder)
        keys = FitOptions().parse(made)
        _, data = FitOptions().build(keys)
        assert isinstance(data, PoseDataModule)
        data.prepare_data()
        provenance = FeatureProvenance("test", "random numbers")
        for number, clip in enumerate(list_clips(data.cache)):
            features = np.random.default_rng(number).random((4, 16), dtype=np.float32)
            write_features(folder / "features", clip, features, provenance)
        words += [f"--data.features={folder / 'features'}", "--model.source.windows=4", "--model.source.width=16"]
        words += ["--model.head.model_width=16"] if overlay.startswith("tpt") else ["--model.head.hidden=8"]
    return words


@pytest.mark.parametrize(("config", "overlay"), PAIRS)
def test_fit_validate_test_predict(
    config: str, overlay: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*options(config, tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    words[2:2] = overlay_options(config, overlay, tmp_path)
    for command in ("fit", "validate", "test", "predict"):
        assert run.main([command, *words]) == 0, capsys.readouterr().err
    (folder,) = (tmp_path / "runs" / config.removesuffix(".yaml")).iterdir()
    made = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    evaluated = {
        f"{part}/{name}"
        for part in ("validate", "test")
        for name in ("metrics.json", "predictions.parquet", "pairs.json", "figure.png")
    }
    if overlay and overlay.startswith("tpt"):
        evaluated |= {"validate/attention.npy", "test/attention.npy"}
    assert made == {
        "config.yaml", "versions.json", "metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt",
        "predict/predictions.parquet", *evaluated,
    }  # fmt: skip
    metrics = json.loads((folder / "test" / "metrics.json").read_text())
    names = [row["name"] for row in metrics["rows"]]
    assert {"reference", "vote", "ridge", "class mean"} <= set(names)
    assert ("ridge on raw coordinates" in names) == (overlay not in ON_FEATURES)
    assert (names[0] == "regression") == (overlay in HEADS)
    predicted = pq.read_table(folder / "predict" / "predictions.parquet").to_pydict()
    assert predicted["clip"]
    assert all(value is not None for name in ("reference", "vote", "ridge") for value in predicted[name])
    said = capsys.readouterr().out
    assert ("SYNTHETIC" in said) == metrics["synthetic"] == (config == "demo.yaml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_configs_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 30
