import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

import run
from commands.configs import CONFIGS
from tests.datasets import FAST, options

BASE = "trainer.yaml"
CONTENT = {path.name: yaml.safe_load(path.read_text()) for path in CONFIGS.glob("*.yaml") if path.name != BASE}
DATASETS = sorted(  # the others cannot train by themselves
    name for name, keys in CONTENT.items() if "class_path" in keys.get("data", {}) and "model" in keys
)
OVERLAYS = sorted(name for name, keys in CONTENT.items() if "model" in keys and name not in DATASETS)
PAIRS: list[tuple[str, str | None]] = [(config, None) for config in DATASETS]
PAIRS += [(config, name) for config in ("demo.yaml", "aqa7.yaml") for name in OVERLAYS]


@pytest.mark.parametrize(("config", "overlay"), PAIRS)
def test_fit_validate_test_predict(
    config: str, overlay: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*options(config, tmp_path), *FAST, f"--trainer.logger.save_dir={tmp_path / 'runs'}"]
    if overlay:
        words[2:2] = ["--config", overlay]
    for command in ("fit", "validate", "test", "predict"):
        assert run.main([command, *words]) == 0, capsys.readouterr().err
    (folder,) = (tmp_path / "runs" / config.removesuffix(".yaml")).iterdir()
    made = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    evaluated = {
        f"{part}/{name}"
        for part in ("validate", "test")
        for name in ("metrics.json", "predictions.parquet", "pairs.json", "figure.png")
    }
    assert made == {
        "config.yaml", "versions.json", "metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt",
        "predict/predictions.parquet", *evaluated,
    }  # fmt: skip
    metrics = json.loads((folder / "test" / "metrics.json").read_text())
    names = [row["name"] for row in metrics["rows"]]
    assert {"reference", "vote", "ridge", "class mean", "ridge on raw coordinates"} <= set(names)
    predicted = pq.read_table(folder / "predict" / "predictions.parquet").to_pydict()
    assert predicted["clip"]
    assert all(value is not None for name in ("reference", "vote", "ridge") for value in predicted[name])
    said = capsys.readouterr().out
    assert ("SYNTHETIC" in said) == metrics["synthetic"] == (config == "demo.yaml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_configs_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 30
