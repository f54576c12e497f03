from pathlib import Path

import pytest

from reports.curves import Point, margin_and_lr, points
from reports.groups import campaigns
from run_folder.runs import Run, read_run
from tests.run_folder.made_runs import make_run


def trial(folder: Path, margin: float, lr: float, seed: int = 0, fold: int = 0, channels: int = 2) -> Run:
    encoder = {"class_path": "a.GCNEncoder", "init_args": {"channels": channels}}
    make_run(
        folder,
        seed=seed,
        fold=fold,
        options={"margin": margin, "lr": lr, "encoder": encoder},
        labels={"model.margin": margin, "model.lr": lr, "seed": seed, "data.fold": fold, "channels": channels},
        campaign="margins",
    )
    return read_run(folder.name, folder)


def drawn(runs: list[Run]) -> list[str]:
    gallery = margin_and_lr(campaigns(runs)[0], "SPEED21", "x")
    return [picture.title for picture in gallery.pictures] if gallery else []


def test_a_point_is_a_seed_its_test_parts_averaged(tmp_path: Path) -> None:
    runs = [trial(tmp_path / f"{seed}{fold}", 0.7, 1e-3, seed, fold) for seed in (0, 1) for fold in (0, 1)]
    found = points(runs)
    assert [point.values for point in found] == [{"model.margin": 0.7, "model.lr": 1e-3}] * 2
    for seed, point in enumerate(found):
        own = [run.result.rho("reference") or 0 for run in runs if run.seed == seed and run.result]
        assert point.test == pytest.approx(sum(own) / 2)
        assert point.validation == pytest.approx(0.4 + 0.01 * seed)  # of the best epoch


def test_collapsed_runs_count_as_nothing(tmp_path: Path) -> None:
    make_run(tmp_path / "a", collapsed=True)
    assert points([read_run("a", tmp_path / "a")]) == [Point({"model.margin": 1.35, "model.lr": 1e-4}, 0, 0)]


def test_a_figure_an_option_and_a_map_where_both_vary(tmp_path: Path) -> None:
    margin, lr = "Rho against margin of the loss", "Rho against learning rate"
    both = [trial(tmp_path / f"{m}_{lr}", m, lr) for m in (0.5, 1.0) for lr in (1e-4, 1e-3)]
    assert drawn(both) == [margin, lr, "Rho over margin and learning rate"]
    assert drawn([run for run in both if run.options["model.lr"] == 1e-4]) == [margin]
    assert drawn([run for run in both if run.options["model.margin"] == 0.5]) == [lr]
    assert drawn(both[:1]) == []


def test_runs_that_differ_in_more_are_not_joined(tmp_path: Path) -> None:
    runs = [trial(tmp_path / f"{m}", m, 1e-4, channels=channels) for m, channels in ((0.5, 2), (1.0, 16))]
    assert drawn(runs) == []
    runs += [trial(tmp_path / f"{m}_more", m, 1e-4, channels=channels) for m, channels in ((0.7, 2), (1.2, 16))]
    gallery = margin_and_lr(campaigns(runs)[0], "SPEED21", "x")
    assert gallery is not None
    assert [("channels 2" in p.caption, "channels 16" in p.caption) for p in gallery.pictures] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert len({picture.name for picture in gallery.pictures}) == 2
