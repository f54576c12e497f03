"""The whole report: what is in it, that text stays text, and that figures explain themselves."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reports.build import build
from reports.document import Gallery, Heading, Report, RunList, Table
from reports.page import escaped, html, markdown
from run_folder.runs import read_run
from run_folder.trial import Record
from tests.run_folder.made_runs import make_campaign, make_run

EVIL = "<script>alert(1)</script> & \"q\" 'x' | `y` *z* $w$"


def report(folders: list[Path], title: str = "Title") -> Report:
    return build([read_run(f"{folder.parent.name}/{folder.name}", folder) for folder in folders], title)


class Outline(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Two datasets, a campaign with a failed and an unreadable run, and a run by hand."""
    folder = tmp_path_factory.mktemp("runs")
    folders = make_campaign(folder / "a", {"GCN-PSN": {"noise": 2.0}, EVIL: {"options": {"margin": 0.7}}})
    Record("Table II", "ablation", {"variant": EVIL, "seed": 5}, ("--x",), "failed", f"boom {EVIL}").write(
        folder / "bad"
    )
    broken = make_run(folder / "broken", seed=6, variant="GCN-PSN")
    (broken / "test" / "metrics.json").write_text("{")
    by_hand = make_run(folder / "version_0", dataset="Demo", actions=("kick", "jump <b>"), whole=False)
    dead = make_run(folder / "dead", seed=7, dataset="Demo", actions=("kick", "jump <b>"), collapsed=True)
    return report([*folders, folder / "bad", broken, by_hand, dead], EVIL)


def test_the_head_counts_runs_and_says_loudly_what_must_be_known(whole: Report) -> None:
    facts = dict(whole.facts)
    assert facts["data"] == "SPEED21, Synthetic demo poses"
    assert (facts["runs"], facts["finished"], facts["failed"], facts["collapsed"]) == ("12", "10", "1", "1")
    assert facts["unreadable"] == "1"
    said = " ".join(whole.warnings)
    for part in ("SYNTHETIC DATA: 2 of 12 runs", "1 of 12 runs collapsed", "1 of 12 runs failed", "cannot be read"):
        assert part in said


def test_a_section_a_dataset_and_the_runs_last(whole: Report) -> None:
    assert [section.title for section in whole.sections] == ["SPEED21", "Synthetic demo poses", "Runs"]
    kinds = [type(block) for block in whole.sections[0].blocks]
    assert [kind for kind in kinds if kind in (Table, Heading)] == [Table, Heading, Table, Table]
    titles = [block.title for block in whole.sections[0].blocks if isinstance(block, Gallery)]
    assert titles == [
        "Rho at a glance", "Margin and learning rate", "Robustness curves", "Predicted against true",
        "Pairs of poses (Fig. 3)", "Learning curves",
    ]  # fmt: skip


def test_what_is_left_out_is_said(whole: Report) -> None:
    said = " ".join(block for block in whole.sections[1].blocks if isinstance(block, str))
    assert "robustness (robustness.parquet is missing in 1 of 2 runs)" in said
    assert "pairs of poses (test/pairs.json is missing in 1 of 2 runs)" in said


def test_every_run_is_listed_with_command_config_and_reason(whole: Report) -> None:
    lists = [block for block in whole.sections[-1].blocks if isinstance(block, RunList)]
    runs = {run.name.partition("/")[2]: run for block in lists for run in block.runs if "variant_1" not in run.name}
    assert sum(len(block.runs) for block in lists) == 12
    assert runs["seed_1_fold_0"].command == "python run.py fit --seed_everything=1"
    assert runs["bad"].facts[0] == f"Failed: boom {EVIL}"
    assert runs["bad"].command == "python run.py fit --x"
    assert runs["broken"].facts[0].startswith("Unreadable: ")
    assert any("every embedding" in fact for fact in runs["dead"].facts)
    full = [run for run in runs.values() if run.config and not run.base]
    assert all("class_path: lightning_modules" in run.config for run in full)
    rest = [run for run in runs.values() if run.base]
    assert {run.config for run in rest if run.name.endswith("/seed_1_fold_1")} == {"seed_everything: 1\ndata.fold: 1"}
    assert any(
        block.startswith("Environment 1: Python 3.11.7")
        for block in whole.sections[-1].blocks
        if isinstance(block, str)
    )


def test_captions_explain_their_figures(whole: Report) -> None:
    assert len({picture.name for picture in whole.pictures}) == len(whole.pictures) > 10
    for picture in whole.pictures:
        assert len(picture.caption) > 200, picture.name
        kind = picture.name.split("-")[1]
        if kind in ("learning", "scatter", "robustness"):
            assert "orizontal: " in picture.caption
        assert any(word in picture.caption for word in ("clips", "clip")), picture.name


def test_single_clips_and_poses_are_never_vectors(whole: Report) -> None:
    for picture in whole.pictures:
        single = re.search("scatter|pair", picture.name) is not None
        assert isinstance(picture.content, bytes) == single
        assert picture.file.endswith(".png" if single else ".svg")


def test_text_stays_text_in_the_page(whole: Report) -> None:
    page = Outline(html(whole))
    assert "script" not in page.tags
    assert "b" not in page.tags or "jump" not in html(whole).split("<b>")[1][:10]
    assert page.tags.count("h1") == 1
    assert EVIL in page.text
    assert f"boom {EVIL}" in page.text
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href"):
            assert value.startswith(("data:", "#")), (tag, value)
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))


def test_links_inside_figures_stay_inside(whole: Report) -> None:
    text = html(whole)
    identifiers = set(re.findall(r'\bid="([^"]+)"', text))
    used = re.findall(r'href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text)
    assert len(used) > 50
    assert set(used) <= identifiers


def test_text_stays_text_in_markdown(whole: Report) -> None:
    text = markdown(whole)
    outside = re.sub(r"(`{3,})text\n.*?\n\1\n", "", text, flags=re.DOTALL)
    assert "<script" not in outside
    assert set(re.findall(r"<\/?\w+", outside)) <= {"<details", "<summary", "</summary", "</details"}
    for picture in whole.pictures:
        assert f"(figures/{picture.file})" in text


def test_every_line_of_a_markdown_table_has_as_many_cells(whole: Report) -> None:
    tables: list[list[int]] = [[]]
    for line in markdown(whole).splitlines():
        if line.startswith("|"):
            tables[-1].append(len(re.findall(r"(?<!\\)\|", line)))
        elif tables[-1]:
            tables.append([])
    assert len(tables) > 4
    assert all(len(set(table)) == 1 for table in tables if table)


def test_escaping() -> None:
    assert escaped("a<b> & *c* | d\ne `f`") == "a&lt;b&gt; &amp; \\*c\\* \\| d e \\`f\\`"


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    folders = make_campaign(tmp_path, {"a": {}}, seeds=1, folds=1)
    assert html(report(folders)) == html(report(folders))


def test_many_variants_are_folded_and_some_are_chosen_on_validation(tmp_path: Path) -> None:
    folders = make_campaign(tmp_path, {f"v{place}": {} for place in range(8)}, seeds=1, folds=1)
    blocks = report(folders).sections[0].blocks
    galleries = {block.title: block for block in blocks if isinstance(block, Gallery)}
    assert len(galleries["Learning curves"].pictures) == 8
    assert galleries["Learning curves"].folded
    assert len(galleries["Predicted against true"].pictures) == 4
    assert "4 of 8 variants" in galleries["Predicted against true"].text


def test_runs_without_a_test_make_a_report_too(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "x", whole=False)
    shutil.rmtree(folder / "test")
    found = report([folder])
    assert [section.title for section in found.sections] == ["SPEED21", "Runs"]
    assert any("nothing to compare" in block for block in found.sections[0].blocks if isinstance(block, str))
    assert [block.title for block in found.sections[0].blocks if isinstance(block, Gallery)] == ["Learning curves"]


def test_the_bare_minimum_is_config_and_metrics(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "x", whole=False)
    (folder / "versions.json").unlink()
    text = html(report([folder]))
    assert "versions.json" in text
    shutil.rmtree(folder / "test")
    assert "unfinished" in html(report([folder]))


def test_protocols_of_a_dataset_are_told_apart(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name, data={"folds": name}) for name in ("climber", "event")]
    assert [section.title for section in report(folders).sections] == [
        "SPEED21 (folds: climber)", "SPEED21 (folds: event)", "Runs",
    ]  # fmt: skip
