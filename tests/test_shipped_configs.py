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
FIT_AND_TEST, FIT_TO_PREDICT, ALL = ("fit", "test"), ("fit", "test", "predict"), ("fit", "validate", "test", "predict")
RUNS: list[tuple[str, str | None, tuple[str, ...]]] = [
    *((config, None, ALL) for config in DATASETS),
    *(("demo.yaml", name, FIT_TO_PREDICT if name == "tpt_features.yaml" else FIT_AND_TEST) for name in OVERLAYS),
    ("aqa7.yaml", "core.yaml", FIT_TO_PREDICT),
    ("finediving.yaml", "tpt.yaml", FIT_TO_PREDICT),
    ("keypoint_folder.yaml", "core.yaml", FIT_TO_PREDICT),
    ("speed21.yaml", "tpt.yaml", ALL),
]
"""Every dataset plain and with one head, every overlay on the demo, with the commands that are run."""


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


def test_every_dataset_is_run_with_a_head() -> None:
    assert {config for config, overlay, _ in RUNS if overlay in HEADS} == set(DATASETS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "overlay", "commands"), RUNS, ids=[f"{config}-{overlay}" for config, overlay, _ in RUNS]
)
def test_it_trains_and_tests_and_leaves_what_a_run_leaves(
    config: str, overlay: str | None, commands: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*options(config, tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    words[2:2] = overlay_options(config, overlay, tmp_path)
    for command in commands:
        assert run.main([command, *words]) == 0, capsys.readouterr().err
    (folder,) = (tmp_path / "runs" / config.removesuffix(".yaml")).iterdir()
    made = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    files = ["metrics.json", "predictions.parquet", "pairs.json", "figure.png"]
    files += ["attention.npy"] if overlay and overlay.startswith("tpt") else []
    evaluated = {f"{part}/{name}" for part in ("validate", "test") if part in commands for name in files}
    if "predict" in commands:
        evaluated |= {"predict/predictions.parquet"}
    assert made == {
        "config.yaml", "versions.json", "metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt", *evaluated,
    }  # fmt: skip
    metrics = json.loads((folder / "test" / "metrics.json").read_text())
    names = [row["name"] for row in metrics["rows"]]
    assert {"reference", "vote", "ridge", "class mean"} <= set(names)
    assert ("ridge on raw coordinates" in names) == (overlay not in ON_FEATURES)
    assert (names[0] == "regression") == (overlay in HEADS)
    for part in sorted({"test", "predict"} & set(commands)):
        predicted = pq.read_table(folder / part / "predictions.parquet").to_pydict()
        assert predicted["clip"]
        assert all(value is not None for name in ("reference", "vote", "ridge") for value in predicted[name])
    said = capsys.readouterr().out
    assert ("SYNTHETIC" in said) == metrics["synthetic"] == (config == "demo.yaml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_configs_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 30
