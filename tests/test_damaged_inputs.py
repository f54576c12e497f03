"""Files with something wrong with them, many of every kind: read, or refused in one line; never a traceback or a crash.

In process, seeded, `TRIES` of each kind; a failure names its seed.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.io import savemat

import run
from cli.config_files import read
from cli.media_options import pose_parser
from datamodules import finediving, keypoint_folder, speed21
from datamodules.aqa7 import read_split_list
from errors import InputError, one_line
from extraction.detectors.given_boxes import GivenBoxes
from poses.cache.cache_check import check_cache
from poses.cache.feature_cache import FeatureProvenance, read_features, write_features
from poses.cache.keypoint_cache import Provenance, read_cache, write_clip
from run_folder.runs import read_run
from run_folder.trained import Checkpoint
from settings import read_yaml
from tests.conftest import REPO
from tests.damage import damaged
from tests.data.finediving.make import make as make_finediving
from tests.data.keypoint_folder.make import make as make_keypoint_folder
from tests.data.speed21.make import make as make_speed21
from tests.datasets import FAST, options
from trials.ablation.grid import read_ablation
from trials.sweep.search import read_sweep

TRIES = 300


@dataclass(frozen=True)
class Kind:
    """A kind of input: the file that is damaged, and what reads it."""

    path: Path
    read: Callable[[], object]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tested run, with measurements as those of an ablation."""
    folder = tmp_path_factory.mktemp("run")
    words = [*options("keypoint_folder.yaml", folder), *FAST, f"--trainer.logger.save_dir={folder / 'runs'}"]
    for command in ("fit", "test"):
        assert run.main([command, *words]) == 0
    made = folder / "runs" / "keypoint_folder" / "version_0"
    (made / "trial.json").write_text(
        json.dumps({"campaign": "c", "kind": "sweep", "labels": {"lr": 1}, "arguments": [], "status": "finished"})
    )
    return made


def text(path: Path, content: str, read: Callable[[Path], object]) -> Kind:
    path.write_text(content)
    return Kind(path, lambda: read(path))


def config(folder: Path, trained: Path) -> Kind:
    return text(folder / "config.yaml", (REPO / "configs" / "speed21.yaml").read_text(), read)


def extraction(folder: Path, trained: Path) -> Kind:
    parser = pose_parser("score", "", [str(REPO / "configs" / "blazepose.yaml")])
    shipped = (REPO / "configs" / "given_boxes.yaml").read_text() + "  turn_below: 0.9\n  most_people: 3\n"
    return text(folder / "pose.yaml", shipped, lambda path: parser.parse_args([f"--config={path}"]))


def sweep(folder: Path, trained: Path) -> Kind:
    return text(folder / "sweep.yaml", (REPO / "sweeps" / "margin_lr.yaml").read_text(), read_sweep)


def ablation(folder: Path, trained: Path) -> Kind:
    shipped = (REPO / "configs" / "ablations" / "table2.yaml").read_text()
    return text(folder / "ablation.yaml", shipped, lambda path: read_ablation(read_yaml(path), str(path)))


def labels(folder: Path, trained: Path) -> Kind:
    path = make_keypoint_folder(folder) / "labels.csv"
    return Kind(path, lambda: keypoint_folder.read_labels(path))


def boxes_csv(folder: Path, trained: Path) -> Kind:
    path = folder / "boxes.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "frame", "left", "top", "right", "bottom", "score"])
        writer.writerows([name, frame, 1, 2, 30.5, 40, 0.9] for name in ("a", "b") for frame in range(5))
    return Kind(path, lambda: GivenBoxes(str(path)))


def boxes_coco(folder: Path, trained: Path) -> Kind:
    entries = [{"image_id": i, "bbox": [1, 2, 30, 40.5], "category_id": 1, "score": 0.9} for i in range(5)]
    return text(folder / "boxes.json", json.dumps(entries), lambda path: GivenBoxes(str(path)))


def keypoints(folder: Path, trained: Path) -> Kind:
    xy = np.random.default_rng(0).random((6, 15, 2), dtype=np.float32) * 100
    path = write_clip(folder, "a", xy=xy, confidence=None, frame=np.arange(6), provenance=Provenance("test"))
    return Kind(path, lambda: (list(check_cache(folder)), read_cache(folder)))


def features(folder: Path, trained: Path) -> Kind:
    numbers = np.random.default_rng(0).random((4, 8), dtype=np.float32)
    return Kind(
        write_features(folder, "a", numbers, FeatureProvenance("test", "random")), lambda: read_features(folder, ["a"])
    )


def matlab(folder: Path, trained: Path) -> Kind:
    path = folder / "Split_4" / "split_4_train_list.mat"
    path.parent.mkdir()
    rows = np.array([[1, clip, 50.0 + clip] for clip in range(1, 30)])
    savemat(str(path), {"consolidated_train_list": rows})
    return Kind(path, lambda: read_split_list(path.parent, "train"))


def dives(folder: Path, trained: Path) -> Kind:
    root = make_finediving(folder)
    return Kind(root / finediving.FINE, lambda: finediving.read_annotations(root))


def dives_split(folder: Path, trained: Path) -> Kind:
    root = make_finediving(folder)
    annotations = finediving.read_annotations(root)
    return Kind(root / finediving.SPLITS["train"], lambda: finediving.read_split(root, annotations))


def climbs(folder: Path, trained: Path) -> Kind:
    root = make_speed21(folder)
    return Kind(root / "metadata.txt", lambda: speed21.read_metadata(root))


def climbers(folder: Path, trained: Path) -> Kind:
    root = make_speed21(folder)
    path = speed21.skeleton_path(root, speed21.read_metadata(root)[0])
    return Kind(path, lambda: speed21.read_skeletons(path))


def checkpoint(folder: Path, trained: Path) -> Kind:
    path = folder / "best.ckpt"
    path.write_bytes((REPO / "models" / "gcn-psn-demo.ckpt").read_bytes())

    def load() -> object:
        whole = Checkpoint(path)
        return whole.part("encoder"), whole.normalisation()

    return Kind(path, load)


def settings_in_a_checkpoint(folder: Path, trained: Path) -> Kind:
    """The YAML in a checkpoint: damaged as such, since a damaged archive seldom gets that far."""
    shipped = torch.load(REPO / "models" / "gcn-psn-demo.ckpt", weights_only=True)
    path, packed = folder / "config.yaml", folder / "best.ckpt"
    path.write_text(shipped["config"])

    def load() -> object:
        torch.save({**shipped, "config": path.read_bytes().decode("utf-8", "replace")}, packed)
        whole = Checkpoint(packed)
        return whole.part("encoder"), whole.normalisation()

    return Kind(path, load)


def file_of_a_run(name: str) -> Callable[[Path, Path], Kind]:
    def made(folder: Path, trained: Path) -> Kind:
        whole = read_run("run", trained)
        assert name not in whole.missing
        assert not whole.broken
        for source in trained.rglob("*"):
            if source.is_file() and source.suffix not in (".ckpt", ".png"):
                target = folder / source.relative_to(trained)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
        return Kind(folder / name, lambda: read_run("run", folder))

    return made


KINDS: dict[str, Callable[[Path, Path], Kind]] = {
    "config of fit": config, "config of extract": extraction, "sweep": sweep, "ablation": ablation,
    "labels.csv": labels, "boxes as CSV": boxes_csv, "boxes as COCO results": boxes_coco, "keypoint cache": keypoints,
    "feature cache": features, "list of AQA-7": matlab, "pickle of FineDiving": dives,
    "split of FineDiving": dives_split, "metadata of SPEED21": climbs, "skeletons of SPEED21": climbers,
    "checkpoint": checkpoint, "settings in a checkpoint": settings_in_a_checkpoint,
    **{
        f"a run's {name}": file_of_a_run(name)
        for name in ("config.yaml", "versions.json", "metrics.csv", "trial.json", "test/metrics.json",
                     "test/predictions.parquet", "test/pairs.json")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_read_or_refused_in_one_line(name: str, tmp_path: Path, trained: Path) -> None:
    kind = KINDS[name](tmp_path, trained)
    kind.read()  # whole, it is fine
    whole = kind.path.read_bytes()
    wrong: list[str] = []
    refused = 0
    for seed in range(TRIES):
        kind.path.write_bytes(damaged(whole, seed))
        try:
            kind.read()
        except InputError as error:
            refused += 1
            said = one_line(str(error))
            if len(said) > 1000 or not said.isprintable():
                wrong.append(f"seed {seed}: {said[:200]!r} is no line for a person")
        except BaseException as error:  # RecursionError and SystemExit too
            wrong.append(f"seed {seed}: {type(error).__name__}: {str(error)[:150]}")
    assert not wrong, f"{len(wrong)} of {TRIES}\n" + "\n".join(wrong[:10])
    assert refused or name.startswith("a run's")  # which lists what it cannot read


def test_the_damage_is_of_all_sorts() -> None:
    whole = (REPO / "configs" / "demo.yaml").read_bytes()
    made = {damaged(whole, seed) for seed in range(TRIES)}
    assert len(made) > 0.9 * TRIES
    failures = set()
    for content in made:
        try:
            yaml.safe_load(content)
        except Exception as error:
            failures.add(type(error).__name__)
    assert len(failures) >= 4, failures
