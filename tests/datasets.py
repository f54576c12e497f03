"""Every shipped dataset config on a tiny dataset in the real format, for tests that go through all of them."""

import importlib
from pathlib import Path

FAST = [
    "--trainer.max_epochs=1", "--trainer.limit_train_batches=3", "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false",
]  # fmt: skip


def options(config: str, folder: Path) -> list[str]:
    """`--config` and where a tiny dataset for it lies, made in `folder` when it is not there."""
    if config == "demo.yaml":
        return ["--config", config, f"--data.root={folder / 'demo'}", "--data.clips=48"]
    name = config.removesuffix(".yaml")
    root = folder / name / name
    if not root.exists():
        importlib.import_module(f"tests.data.{name}.make").make(folder / name)
    data = [f"--data.root={root}"]
    if name == "keypoint_folder":
        data = [f"--data.labels_csv={root / 'labels.csv'}"]
    return ["--config", config, *data, f"--data.cache={folder / name / 'cache'}"]
