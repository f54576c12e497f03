"""Wrong options of regression against exemplars: one clear line, exit code 2, nothing written."""

from pathlib import Path

import lightning.pytorch  # noqa: F401  (its log takes the stderr of when it is imported: not that of the first test)
import pytest

import run
from tests.refusal import FAST, assert_refused

Capture = pytest.CaptureFixture[str]

CORE: dict[str, tuple[str, ...]] = {
    "--model.exemplars=0": ("exemplars at least 1", "0"),
    "--model.lr=0": ("lr and slow_lr must be above 0",),
    "--model.slow_lr=.nan": ("slow_lr", "above 0", "nan"),
    "--model.head.depth=1": ("CoRe", "depth must lie in [2, 10]", "got 1"),
    "--model.head.hiden=8": ("hiden", "did you mean", "hidden"),
    "--model.head.pooling=max": ("pooling", "max"),
    "--model.source.windows=0": ("windows and length must be at least 1",),
    "--data.exemplar_pairs.pairs_per_epoch=0": ("pairs_per_epoch must be at least 1, got 0",),
    "--data.features=nowhere": ("nowhere", "no feature cache there", "python run.py features"),
}
TPT: dict[str, tuple[str, ...]] = {
    "--model.head.model_width=30": ("model_width must be a multiple of", "30"),
    "--model.head.parts=0": ("parts must be at least 1", "got 0"),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


def words(demo: Path, folder: Path, *overlays: str) -> list[str]:
    laid = [f"--config={name}" for name in ("demo.yaml", *overlays)]
    more = [f"--data.root={demo}", "--data.clips=48", f"--trainer.logger.save_dir={folder / 'runs'}"]
    return ["fit", *laid, *more, *FAST]


@pytest.mark.parametrize(
    ("overlay", "option"), [("core.yaml", one) for one in CORE] + [("tpt.yaml", one) for one in TPT]
)
def test_wrong_options(overlay: str, option: str, demo: Path, tmp_path: Path, capsys: Capture) -> None:
    said = CORE[option] if overlay == "core.yaml" else TPT[option]
    assert_refused(capsys, tmp_path, [*words(demo, tmp_path, overlay), option], *said)


def test_the_checkpoint_of_another_head_is_refused(demo: Path, tmp_path: Path, capsys: Capture) -> None:
    made = [f"--trainer.logger.folder={tmp_path / 'run'}", "--data.exemplar_pairs.pairs_per_epoch=64"]
    assert run.main([*words(demo, tmp_path, "core.yaml"), *made]) == 0
    other = ["test", *words(demo, tmp_path, "tpt.yaml")[1:]]
    other.append(f"--ckpt_path={tmp_path / 'run' / 'checkpoints' / 'best.ckpt'}")
    assert_refused(capsys, tmp_path, other, "trained with model.head.class_path", "config.yaml")
