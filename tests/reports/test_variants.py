"""The numbers of the tables, against slow ones and against the experiment's report on the same runs."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from reports.groups import Campaign, campaigns
from reports.tables import difference, interval, table_two
from reports.variants import Comparison, chosen_scorer, validation_rho
from run_folder.results import read_result
from run_folder.runs import read_run
from scoring.metrics import resampling_weights
from scoring.pooling import rank_normalised
from scoring.trivial import MEAN_RIDGE, RAW_RIDGE
from tests.run_folder.made_runs import CLIPS, make_campaign, make_run, rewrite, true_scores
from tests.scoring.build import scipy_rho

FOLDS = 3


def campaign(folders: list[Path]) -> Campaign:
    return campaigns([read_run(str(folder), folder) for folder in folders])[0]


@pytest.fixture
def two(tmp_path: Path) -> Campaign:
    variants = {"GCN-PSN, 2 channels": {"noise": 2.0}, "MLP baseline": {"noise": 0.7}}
    return campaign(make_campaign(tmp_path, variants, seeds=2, folds=FOLDS))


def column(campaign: Campaign, variant: int, seed: int, name: str) -> torch.Tensor:
    """A predictor over all folds, *reference* by rank within a fold."""
    parts = []
    for run in campaign.variants[variant].seeds[seed]:
        assert run.result is not None
        values = torch.tensor(run.result.columns[name], dtype=torch.float64)
        parts.append(rank_normalised(values, torch.zeros(CLIPS)) if name == "reference" else values)
    return torch.cat(parts)


@pytest.mark.parametrize("name", ["reference", "vote", "ridge"])
def test_rho_and_differences_are_means_over_seeds_of_pooled_ones(two: Campaign, name: str) -> None:
    true = torch.cat([true_scores(fold) for fold in range(FOLDS)])
    groups = torch.arange(len(true)) // 3
    row = Comparison(two).measure(two.variants[1], name)
    seeds = [column(two, 1, seed, name) for seed in (0, 1)]
    first = [column(two, 0, seed, name) for seed in (0, 1)]
    raw = column(two, 0, 0, RAW_RIDGE)

    def slow(rows: torch.Tensor) -> tuple[float, float, float]:
        def rho(*models: torch.Tensor) -> float:
            return sum(scipy_rho(values[rows], true[rows]) for values in models) / len(models)

        return rho(*seeds), rho(*seeds) - rho(raw), rho(*seeds) - rho(*first)

    assert row.to_ridge is not None
    assert row.to_first is not None
    assert (row.rho, row.to_ridge.value, row.to_first.value) == pytest.approx(slow(torch.arange(len(true))))
    weights = resampling_weights(len(true), 1000, torch.Generator().manual_seed(0), groups).long()
    # every tenth resample: their quantiles are near those of all
    values = [slow(torch.arange(len(true)).repeat_interleave(draw)) for draw in weights[::10]]
    ends = np.quantile(values, [0.025, 0.975], axis=0)
    for found, expected in zip((row.by_group, row.to_ridge.interval, row.to_first.interval), ends.T, strict=True):
        assert found == pytest.approx(tuple(expected), abs=0.08)
    assert row.deviation == pytest.approx(np.std([scipy_rho(one, true) for one in seeds], ddof=1))
    assert (row.seeds, row.runs, row.collapsed, row.clips) == (2, 2 * FOLDS, 0, FOLDS * CLIPS)


def test_a_difference_is_marked_where_its_interval_excludes_zero(tmp_path: Path) -> None:
    one = Comparison(campaign(make_campaign(tmp_path, {"bad": {"noise": 30.0}, "good": {"noise": 0.01}}, folds=FOLDS)))
    row = one.measured["good", "ridge"]
    assert row.to_first is not None
    assert row.to_first.established
    cells = difference(row.to_first)
    assert (cells[0].marked, cells[0].text) == (True, f"{row.to_first.value:+.3f} *")
    assert one.measured["bad", "ridge"].to_first is None
    same = Comparison(campaign(make_campaign(tmp_path / "same", {"a": {}, "b": {}}, folds=FOLDS)))
    assert same is not None
    row = same.measured["b", "ridge"]
    assert row.to_first is not None
    assert (row.to_first.value, row.to_first.interval, row.to_first.established) == (0, (0, 0), False)
    assert [cell.text for cell in difference(row.to_first)] == ["+0.000", "[0.00, 0.00]"]
    assert [cell.text for cell in difference(None)] == ["", ""]
    assert interval(None) == "-"


def test_variants_with_other_test_parts_are_not_compared(tmp_path: Path) -> None:
    folders = [*make_campaign(tmp_path, {"a": {}}, folds=2), make_run(tmp_path / "x", variant="b", started=5)]
    one = Comparison(campaign(folders))
    row = one.measured["b", "ridge"]
    assert (row.clips, row.to_first) == (CLIPS, None)
    assert row.to_ridge is not None
    assert row.to_ridge.value == pytest.approx((row.rho or 0) - scipy_rho(_raw(folders[-1]), true_scores(0)))
    assert "b: has 1 test part, the first variant 2." in table_two(one, "climber", {}).notes


def _raw(folder: Path) -> torch.Tensor:
    return torch.tensor(read_result(folder).columns[RAW_RIDGE])


def test_rho_over_actions_is_their_fisher_mean(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", actions=("jump", "kick"), variant="a")
    comparison = Comparison(campaign([folder]))
    row = comparison.measure(comparison.variants[0], "vote")
    values = torch.tensor(read_result(folder).columns["vote"])
    rhos = [scipy_rho(values[own::2], true_scores(0)[own::2]) for own in (0, 1)]
    assert row.rho == pytest.approx(math.tanh(sum(map(math.atanh, rhos)) / 2))
    assert comparison.headline == "fisher"
    assert comparison.actions == ["jump", "kick"]


def test_the_scorer_is_chosen_on_validation(two: Campaign, tmp_path: Path) -> None:
    scorers = ["reference", "vote", "ridge"]
    assert chosen_scorer(two.variants[0], scorers) == ("ridge", True)
    folder = make_run(tmp_path / "x", variant="a")
    (folder / "metrics.csv").unlink()
    assert chosen_scorer(campaign([folder]).variants[0], scorers) == ("reference", False)


def test_one_clip_has_no_rho(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "x", variant="a")
    path = folder / "test" / "predictions.parquet"
    pq.write_table(pq.read_table(path).slice(0, 1), path)
    one = Comparison(campaign([folder]))
    assert one.measured["a", "ridge"].rho is None
    assert table_two(one, "climber", {}).lines[0].cells[4].text == "-"


def test_nothing_tested_is_nothing_to_compare(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "x", variant="a")
    (folder / "test" / "metrics.json").unlink()
    assert campaign([folder]).tested == []


def test_other_ways_to_prepare_poses_are_told(tmp_path: Path) -> None:
    folders = make_campaign(tmp_path, {"a": {}, "b": {}, "c": {}}, seeds=1, folds=1)
    path = folders[1] / "test" / "predictions.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(RAW_RIDGE)
    pq.write_table(table.set_column(place, RAW_RIDGE, [pa.array(range(CLIPS), pa.float64())]), path)
    one = Comparison(campaign(folders))
    assert one.other_raw_ridges() == ["b"]
    assert any("their own would differ: b" in note for note in table_two(one, "climber", {}).notes)


def test_a_trivial_predictor_of_a_later_variant_is_shown_and_validation_is_told(tmp_path: Path) -> None:
    folders = make_campaign(tmp_path, {"single poses": {}, "averaged": {}}, seeds=2, folds=FOLDS)
    for folder in folders:
        if "variant_1" in str(folder):
            path = folder / "test" / "predictions.parquet"
            table = pq.read_table(path)
            extra = pa.array([-value for value in table["score"].to_pylist()])
            pq.write_table(table.append_column(MEAN_RIDGE, extra), path)
            metrics = json.loads((folder / "test" / "metrics.json").read_text())
            row = {**metrics["rows"][-1], "name": MEAN_RIDGE, "trivial": True}
            rewrite(folder / "test" / "metrics.json", rows=[*metrics["rows"], row])
    one = Comparison(campaign(folders))
    assert [row.scorer for row in one.trivial] == [RAW_RIDGE, "class mean", MEAN_RIDGE]
    assert one.trivial[2].rho == pytest.approx(-1)
    table = table_two(one, "climber", {})
    assert table.header[-1] == "rho on validation"
    told = {(line.cells[0].text, line.cells[1].text): line.cells[-1].text for line in table.lines}
    assert told["averaged", "reference"] == f"{validation_rho(one.variants[1], 'reference'):.3f}"
    assert told[MEAN_RIDGE, ""] == ""
