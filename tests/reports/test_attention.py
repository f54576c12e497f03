"""Attention in a report: of heads that parse clips into parts."""

from pathlib import Path

import numpy as np
import pytest

from reports.datasets import about
from reports.figures import attention
from reports.groups import campaigns
from reports.variants import Comparison, chosen_scorer
from run_folder.runs import read_run
from scoring.regression import RegressionScorer
from tests.run_folder.made_runs import make_campaign, make_run


def compared(folder: Path, attentive: str | None) -> Comparison:
    runs = []
    for path in make_campaign(folder, {"CoRe": {}, "TPT": {}}):
        if path.parent.name == attentive:
            maps = np.random.default_rng(0).random((12, 2, 5, 20)).astype(np.float32)
            np.save(path / "test" / "attention.npy", maps / maps.sum(-1, keepdims=True))
        runs.append(read_run(str(path), path))
    return Comparison(campaigns(runs)[0])


def test_a_picture_a_variant_that_has_attention(tmp_path: Path) -> None:
    gallery = attention(compared(tmp_path, "variant_1"), about("Speed21"), "d0c0")
    assert gallery is not None
    (picture,) = gallery.pictures
    assert picture.title == "Attention: TPT"
    assert isinstance(picture.content, bytes)
    assert picture.content.startswith(b"\x89PNG")
    assert "of 24 test clips of SPEED21, one seed" in picture.caption  # of both folds


def test_none_without(tmp_path: Path) -> None:
    assert attention(compared(tmp_path, None), about("Speed21"), "d0c0") is None


@pytest.mark.parametrize("content", [np.zeros((3, 2)), np.full((1, 1, 1, 2), np.nan), np.array(["a"]), b"no array"])
def test_a_broken_file_is_named(content: object, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    if isinstance(content, bytes):
        (folder / "test" / "attention.npy").write_bytes(content)
    else:
        np.save(folder / "test" / "attention.npy", content)  # type: ignore[arg-type]
    run = read_run("run", folder)
    assert run.attention is None
    assert any("attention.npy" in line for line in run.broken)


def test_a_pickled_array_is_not_read(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    np.save(folder / "test" / "attention.npy", np.array([{}], dtype=object), allow_pickle=True)
    run = read_run("run", folder)
    assert run.attention is None
    assert any("attention.npy" in line for line in run.broken)


def test_a_head_is_what_is_shown_of_a_model_that_has_one(tmp_path: Path) -> None:
    one = Comparison(campaigns([read_run("a", make_run(tmp_path / "a"))])[0])
    (variant,) = one.variants
    assert chosen_scorer(variant, ["ridge", RegressionScorer.name]) == (RegressionScorer.name, True)
    assert chosen_scorer(variant, ["reference", "vote", "ridge"])[0] == "ridge"
