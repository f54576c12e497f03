from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from reports.groups import BY_HAND, by_dataset, campaigns, differing, short_value
from run_folder.runs import Run, read_run
from run_folder.trial import Record
from tests.run_folder.made_runs import make_campaign, make_run


def read(folders: list[Path]) -> list[Run]:
    return [read_run(str(folder.name), folder) for folder in folders]


def names(runs: list[Run], reference: str | None = None) -> list[list[str]]:
    return [[variant.name for variant in campaign.variants] for campaign in campaigns(runs, reference)]


def test_variants_seeds_and_folds(tmp_path: Path) -> None:
    runs = read(make_campaign(tmp_path, {"b": {}, "a": {"noise": 2.0}}, seeds=3, folds=2))
    (campaign,) = campaigns(runs)
    assert (campaign.title, campaign.kind) == ("Table II", "ablation")
    assert [variant.name for variant in campaign.variants] == ["b", "a"]  # in the order in which they were started
    assert names(runs, "a") == [["a", "b"]]
    variant = campaign.variants[0]
    assert [[(run.seed, run.labels["data.fold"]) for run in seed] for seed in variant.seeds] == [
        [(seed, 0), (seed, 1)] for seed in range(3)
    ]
    assert len(variant.parts) == 2
    assert (variant.repeated, variant.incomplete, variant.collapsed) == (0, 0, 0)


def test_a_seed_without_a_fold_is_left_out_and_counted(tmp_path: Path) -> None:
    runs = read(make_campaign(tmp_path, {"a": {}}, seeds=3))[:-1]
    (variant,) = campaigns(runs)[0].variants
    assert [seed[0].seed for seed in variant.seeds] == [0, 1]
    assert variant.incomplete == 1
    assert len(variant.runs) == 5


def test_the_newest_of_repeated_runs_counts(tmp_path: Path) -> None:
    runs = read([make_run(tmp_path / f"version_{place}", started=place, noise=1 + place) for place in range(3)])
    (variant,) = campaigns(runs)[0].variants
    assert [[run.name for run in seed] for seed in variant.seeds] == [["version_2"]]
    assert variant.repeated == 2


def test_runs_by_hand_go_by_their_model(tmp_path: Path) -> None:
    runs = read(
        [
            make_run(tmp_path / "a", seed=0),
            make_run(tmp_path / "b", seed=1),
            make_run(tmp_path / "c", options={"margin": 0.7}, started=1),
            make_run(tmp_path / "d", variant="wide", started=2),
        ]
    )
    assert names(runs) == [["wide"], ["GCNEncoder, margin 1.35", "GCNEncoder, margin 0.7"]]
    assert [campaign.title for campaign in campaigns(runs)] == ["Table II", BY_HAND]
    assert len(campaigns(runs)[1].variants[0].seeds) == 2


def test_trials_of_a_sweep_go_by_their_labels_but_seed_and_fold(tmp_path: Path) -> None:
    runs = read(
        [
            make_run(tmp_path / f"{margin}_{seed}", seed=seed, labels={"model.margin": margin, "seed_everything": seed})
            for margin in (0.5, 1.0)
            for seed in (0, 1)
        ]
    )
    assert names(runs) == [["margin 0.5", "margin 1"]]


def test_datasets_and_protocols_are_apart(tmp_path: Path) -> None:
    runs = read(
        [
            make_run(tmp_path / "a"),
            make_run(tmp_path / "b", dataset="Demo"),
            make_run(tmp_path / "c", data={"folds": "event"}),
            make_run(tmp_path / "d", fold=1),
        ]
    )
    found = by_dataset(runs)
    described = [(one.dataset, dict(one.protocol), sorted(run.name for run in one.runs)) for one in found]
    assert described == [("Speed21", {}, ["a", "d"]), ("Speed21", {"folds": "event"}, ["c"]), ("Demo", {}, ["b"])]


def test_test_parts_that_overlap_or_are_labelled_differently_are_apart(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name) for name in ("a", "b", "c")]

    def change(folder: Path, change: Any) -> None:
        path = folder / "test" / "predictions.parquet"
        table = pq.read_table(path)
        pq.write_table(change(table), path)

    change(folders[1], lambda table: table.slice(2))
    change(folders[2], lambda table: table.set_column(3, "score", [[1.0] * len(table)]))
    assert [[run.name for run in one.runs] for one in by_dataset(read(folders))] == [["a"], ["b"], ["c"]]


def test_a_failed_run_without_a_config_goes_with_its_campaign(tmp_path: Path) -> None:
    folders = make_campaign(tmp_path, {"a": {}}, seeds=1)
    Record("Table II", "ablation", {"variant": "a"}, (), "failed", "boom").write(tmp_path / "failed")
    Record("Other", "ablation", {"variant": "z"}, (), "failed", "boom").write(tmp_path / "other")
    found = by_dataset(read([*folders, tmp_path / "failed", tmp_path / "other"]))
    assert [(one.dataset, len(one.runs)) for one in found] == [("Speed21", 3), ("", 1)]
    (variant,) = campaigns(found[0].runs)[0].variants
    assert [run.state for run in variant.runs] == ["finished", "finished", "failed"]


def test_words() -> None:
    assert differing([{"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}]) == ["b", "c"]
    values: list[Any] = ["torch.nn.ReLU", 0.00030, "0.5", True, [], {"class_path": "a.B"}, "x.", 2]
    assert [short_value(value) for value in values] == ["ReLU", "0.0003", "0.5", "True", "none", "B", "x.", "2"]
