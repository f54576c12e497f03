import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from reports.curves import Curve, change, robustness
from reports.datasets import about
from reports.document import Table
from reports.groups import Variant, campaigns
from reports.tables import robustness_table, table_one, table_two
from reports.variants import Comparison
from run_folder.runs import Run, read_run
from scoring.metrics import spearman
from tests.run_folder.made_runs import CLIPS, LEVELS, SCORERS, make_campaign, make_run, rewrite


def compared(folders: list[Path]) -> Comparison:
    return Comparison(campaigns([read_run(str(folder), folder) for folder in folders])[0])


def rows(table: Table) -> list[dict[str, str]]:
    """By column; the second of two columns with one name has a ' after it."""
    assert all(len(line.cells) == len(table.header) for line in table.lines)
    names: list[str] = []
    for name in table.header:
        names.append(name + "'" * names.count(name))
    return [dict(zip(names, (cell.text for cell in line.cells), strict=True)) for line in table.lines]


def test_table_one_holds_measured_trivial_and_published_rows(tmp_path: Path) -> None:
    one = compared([make_run(tmp_path / "a", dataset="FineDiving", variant="ours")])
    table = table_one(about("FineDiving"), [one])
    kinds = [row["kind"] for row in rows(table)]
    assert kinds == ["measured", "trivial", "trivial", *["published"] * 10, "human"]
    assert [line.kind for line in table.lines] == kinds
    mine, ridge = rows(table)[0], rows(table)[1]
    assert (mine["method"], mine["scorer"], mine["clips"], mine["seeds"]) == ("ours", "ridge", str(CLIPS), "1")
    assert mine["rho"] == f"{one.measured['ours', 'ridge'].rho:.3f}"
    for name in ("95 % by clip", "95 % by event"):
        low, high = json.loads(mine[name])
        assert low <= float(mine["rho"]) <= high
    assert (ridge["method"], ridge["scorer"]) == ("ridge on raw coordinates", "")
    paper = next(row for row in rows(table) if row["method"].startswith("GCN-PSN"))
    assert paper["rho"] == "0.915"
    assert paper["95 % by clip"] == ""
    assert "arXiv 2511.01194" in paper["source, averaging"]
    assert rows(table)[-1]["rho"] == "0.970"
    assert any("not measured here" in note for note in table.notes)


def test_published_numbers_say_where_they_are_from() -> None:
    published = {name: about(name).published for name in ("AQA7", "FineDiving")}
    assert {name: len(found) for name, found in published.items()} == {"AQA7": 9, "FineDiving": 11}
    for row in (row for found in published.values() for row in found):
        assert 0 < row.rho < 1
        assert row.source
        assert row.averaging
    assert [row.method for row in published["FineDiving"] if row.human] == [
        "Human ceiling: one judge against the other six"
    ]


def test_table_one_of_a_dataset_without_published_rows_says_so(tmp_path: Path) -> None:
    table = table_one(about("Speed21", "climber"), [compared([make_run(tmp_path / "a", variant="ours")])])
    assert {row["kind"] for row in rows(table)} == {"measured", "trivial"}
    assert "No published results are known here for SPEED21, so there are no such rows." in table.notes


def test_part_of_aqa7_is_not_comparable(tmp_path: Path) -> None:
    one = compared([make_run(tmp_path / "a", dataset="AQA7", actions=("dive", "ski"), variant="ours")])
    notes = " ".join(table_one(about("AQA7"), [one]).notes)
    assert "dive, ski alone" in notes
    assert "within each of 2 actions" in notes


def test_table_one_names_campaigns_where_there_are_several(tmp_path: Path) -> None:
    found = [
        compared(make_campaign(tmp_path / name, {"a": {}}, seeds=1, folds=1, campaign=name)) for name in ("x", "y")
    ]
    methods = [row["method"] for row in rows(table_one(about("Speed21", "climber"), found))]
    assert methods[:2] == ["a (x)", "a (y)"]


def test_costs_stand_beside_rho(tmp_path: Path) -> None:
    folders = make_campaign(tmp_path, {"a": {}, "b": {"whole": False}}, seeds=2, folds=1)
    for folder, seconds, inference in zip(folders[:2], (1000.0, 3000.0), (0.5, 1.5), strict=True):
        rewrite(folder / "cost.json", fit_seconds=seconds, milliseconds_per_clip=inference, members=4)
    table = table_two(compared(folders), "climber", {})
    first, *_, last = (row for row in rows(table) if row["seeds"])
    assert (first["parameters"], first["training (s)"], first["inference (ms a clip)"]) == ("5,848", "2,000", "1")
    assert (last["parameters"], last["training (s)"], last["inference (ms a clip)"]) == ("-", "20", "-")
    assert any("Up to 4 models were trained as one stack" in note for note in table.notes)


def test_without_costs_there_are_no_columns_for_them(tmp_path: Path) -> None:
    table = table_two(compared([make_run(tmp_path / "a", whole=False)]), "climber", {})
    assert "parameters" not in table.header
    assert "minus first variant" not in table.header


def test_collapsed_failed_and_missing_runs_are_counted(tmp_path: Path) -> None:
    variants: dict[str, dict[str, Any]] = {"alive": {}, "dead": {"collapsed": True}}
    folders = make_campaign(tmp_path, variants, seeds=3, folds=2)
    folders.append(make_run(tmp_path / "mixed", seed=9, variant="alive", collapsed=True, started=9))
    folders.append(make_run(tmp_path / "mixed_1", seed=9, fold=1, variant="alive", started=9))
    rewrite(folders[0] / "trial.json", status="failed", error="boom")
    shutil.rmtree(folders[0] / "test")
    rewrite(folders[-2] / "trial.json", status="stopped")
    table = table_two(compared(folders), "climber", {})
    found = {(row["variant"], row["scorer"]): row for row in rows(table)}
    assert found["alive", "vote"]["collapsed runs"] == "1 of 6"
    assert found["alive, without the seeds with a collapsed run", "vote"]["collapsed runs"] == "0 of 4"
    assert found["dead", "vote"]["rho"] != "-"
    for note in (
        "dead: every seed has a collapsed run.",
        "alive: 1 seed not in the table, for want of a test part.",
        "alive: 1 run failed.",
        "alive: 1 run stopped early, on purpose.",
    ):
        assert note in table.notes


def test_runs_repeated_unread_and_not_tested_are_counted(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / f"version_{place}", started=place) for place in range(4)]
    shutil.rmtree(folders[2] / "test")
    (folders[3] / "test" / "metrics.json").write_text("{")
    notes = table_two(compared(folders), "climber", {}).notes
    name = "GCNEncoder"
    for what in ("1 run left out, repeated by a newer one", "1 run not tested yet", "1 run unreadable"):
        assert f"{name}: {what}." in notes


def test_many_differences_come_with_a_warning(tmp_path: Path) -> None:
    folders = make_campaign(tmp_path, {f"v{place}": {} for place in range(6)}, seeds=1, folds=1)
    assert any("15 differences" in note for note in table_two(compared(folders), "climber", {}).notes)


# Robustness -----------------------------------------------------------------------------------------------------------


def variant_of(folders: list[Path]) -> Variant:
    return compared(folders).variants[0]


def test_robustness_is_rho_within_a_test_part_averaged_over_runs(tmp_path: Path) -> None:
    folders = make_campaign(tmp_path, {"a": {"noise": 0.5}}, seeds=2, folds=2)
    variant = variant_of(folders)
    for scorer in SCORERS:
        found = robustness(variant, scorer, "pooled")
        assert [(curve.perturbation, curve.unit) for curve in found] == [
            ("joint noise", "% of the torso"), ("rotation", "degrees"),
        ]  # fmt: skip
        for curve in found:
            assert curve.levels == list(LEVELS)
            for level, rho in zip(curve.levels, curve.rhos, strict=True):
                assert rho == pytest.approx(
                    sum(slow(run, curve.perturbation, level, scorer) for run in variant.compared) / 4
                )
    assert change(found) == pytest.approx(sum(curve.rhos[-1] - curve.rhos[0] for curve in found) / 2)
    assert change([]) is None
    assert robustness(variant, "nothing", "pooled") == []


def slow(run: Run, perturbation: str, level: float, scorer: str) -> float:
    (columns,) = (own for said, own in run.robustness if (said.perturbation, said.level) == (perturbation, level))
    predicted, true = (torch.tensor(columns[name]) for name in (scorer, "score"))
    return float(spearman(predicted, true))


def test_a_collapsed_run_counts_as_nothing_in_robustness(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / "a", variant="a"), make_run(tmp_path / "b", seed=1, variant="a", collapsed=True)]
    alive, both = (robustness(variant_of(part), "vote", "pooled")[0] for part in (folders[:1], folders))
    assert both.rhos[0] == pytest.approx(alive.rhos[0] / 2)


def test_robustness_table() -> None:
    found = {
        "a": [Curve("noise", "%", [0, 10], [0.5, 0.25]), Curve("turn", "degrees", [0, 90], [0.5, -0.1])],
        "b": [Curve("noise", "%", [0, 10], [0.4, 0.4])],
    }
    table = robustness_table(found)
    assert list(table.header) == ["variant", "undisturbed", "noise, 10 %", "turn, 90 degrees"]
    assert [[cell.text for cell in line.cells] for line in table.lines] == [
        ["a", "0.500", "0.250 (-0.250)", "-0.100 (-0.600)"],
        ["b", "0.400", "0.400 (+0.000)", "-"],
    ]


def test_robustness_goes_into_the_campaigns_table(tmp_path: Path) -> None:
    one = compared(make_campaign(tmp_path, {"a": {}, "b": {}}, seeds=1, folds=1))
    found = {"a": [Curve("noise", "%", [0, 10], [0.5, 0.25])]}
    table = table_two(one, "climber", found)
    by_scorer = {(row["variant"], row["scorer"]): row["rho when perturbed"] for row in rows(table)}
    assert by_scorer["a", "ridge"] == "-0.250"  # the scorer that validation chose
    assert {by_scorer["a", "vote"], by_scorer["b", "ridge"]} == {""}
