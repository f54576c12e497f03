"""`python run.py ablate`, with models that train in no time: what is trained, kept, shown and refused."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pyarrow.parquet as pq
import pytest

import run
from cli.fit_options import FitOptions
from run_folder.results import read_result
from run_folder.trial import Trial, read_record
from tests.datasets import options
from tests.refusal import assert_refused
from tests.run_folder.made_runs import make_run
from tests.scoring.build import scipy_rho
from trials import run_evaluation as evaluation
from trials import stack
from trials.ablation import ablation_runs
from trials.runner import Outcome, Work

TABLE = """
title: Table II
base: [speed21.yaml]
seeds: 2
folds: {data.fold: [0, 1]}
variants:
  MLP: {config: mlp.yaml}
  GCN (paper): {}
  the paper's margin: {model.margin: 1.35}
"""
MARGINS = """
title: Margins
base: [speed21.yaml]
seeds: 2
folds: {data.fold: [0, 1]}
variants: {paper: {}, narrow: {model.margin: 0.7}}
"""
NOISE = {"mlp": 0.5, "gcn_paper": 2.0}


class Fakes:
    """Stands for worker processes, training and evaluation; knows what was done, and what is to fail."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.tested: list[str] = []
        self.no_fit: set[str] = set()
        self.no_test: set[str] = set()
        self.life: int | None = None
        """Groups until the program is killed."""

    def fit_group(self, trials: Sequence[Trial], output: Path) -> list[str | None]:
        for trial in trials:
            (output / trial.name / "checkpoints").mkdir(parents=True, exist_ok=True)
            (output / trial.name / "config.yaml").write_text("model:\n")
        self.trained += [trial.name for trial in trials]
        return ["no similar pairs" if trial.name in self.no_fit else None for trial in trials]

    def evaluate_runs(self, folders: Sequence[Path]) -> list[str | None]:
        return [self._evaluate(folder) for folder in folders]

    def _evaluate(self, folder: Path) -> str | None:
        name = f"{folder.parent.name}/{folder.name}"
        if name in self.no_test:
            return "best.ckpt is missing"
        seed, fold = map(int, re.findall(r"\d+", f"{folder.name}_fold_0")[:2])
        if not (folder / "test").exists():
            make_run(folder, seed=seed, fold=fold, noise=NOISE.get(folder.parent.name, 1.0))
        (folder / "cost.json").write_text("{}")
        self.tested.append(name)
        return None


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    fakes = Fakes()

    class Inline:
        def __init__(self, output: Path, work: Work, parallel: int) -> None:
            self.output, self.work = output, work
            self.waiting: list[Sequence[Trial]] = []

        def __enter__(self) -> Self:
            self.output.mkdir(parents=True, exist_ok=True)
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def submit(self, group: Sequence[Trial]) -> None:
            self.waiting.append(group)

        def results(self) -> Iterator[Outcome]:
            for group in self.waiting:
                if fakes.life is not None:
                    fakes.life -= 1
                    if fakes.life < 0:
                        raise KeyboardInterrupt
                yield Outcome(tuple(group), self.work(group, self.output), 1.0)

    monkeypatch.setattr(ablation_runs, "Runner", Inline)
    monkeypatch.setattr(ablation_runs, "groups", lambda trials, most: [list(trials)])
    monkeypatch.setattr(stack, "fit_group", fakes.fit_group)
    monkeypatch.setattr(evaluation, "evaluate_runs", fakes.evaluate_runs)
    return fakes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options with which speed21.yaml has data."""
    return options("speed21.yaml", tmp_path_factory.mktemp("data"))[2:]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.yaml"
    path.write_text(TABLE)
    return path


def ablate(file: Path, output: Path, *words: str) -> int:
    return run.main(["ablate", "--config", str(file), "--output", str(output), *words])


def trials(*variants: str, seeds: int = 2) -> list[str]:
    return sorted(f"{variant}/seed_{s}_fold_{f}" for variant in variants for s in range(seeds) for f in (0, 1))


def cells(said: str) -> dict[tuple[str, str], list[str]]:
    """The rows of the tables on screen by variant and scorer."""
    found: dict[tuple[str, str], list[str]] = {}
    variant, counts = "", [""]
    for line in said.splitlines():
        row = [cell.strip() for cell in line.split("│")[1:-1]]
        if len(row) == 9:
            variant, counts = (row[0], row[1:4]) if row[0] else (variant, counts)
            found[variant, row[4]] = [*counts, *row[5:]]
    return found


def test_a_model_is_trained_once_and_every_variant_shows_it(
    table: Path, data: list[str], fakes: Fakes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert ablate(table, output, *data) == 0
    said = capsys.readouterr().out
    assert sorted(fakes.trained) == sorted(fakes.tested) == trials("mlp", "gcn_paper")
    assert "12 runs of 8 models, 0 finished before" in said
    assert f"python run.py report {output}" in said
    twin, own = output / "the_paper_s_margin" / "seed_1_fold_0", output / "gcn_paper" / "seed_1_fold_0"
    record = read_record(twin)
    assert record is not None
    assert (record.campaign, record.kind, record.status) == ("Table II", "ablation", "finished")
    assert record.labels == {"variant": "the paper's margin", "seed": 1, "data.fold": 0}
    assert FitOptions().parse(record.arguments).model.init_args.margin == 1.35
    assert read_result(twin).columns == read_result(own).columns
    assert not (twin / "config.yaml").is_absolute() or (twin / "config.yaml").resolve() == own / "config.yaml"
    output.rename(tmp_path / "moved")  # links lead along
    assert read_result(tmp_path / "moved" / "the_paper_s_margin" / "seed_0_fold_1").clips


def test_the_table_tells_what_the_runs_found(
    table: Path, data: list[str], fakes: Fakes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(table, tmp_path, *data) == 0
    found = cells(capsys.readouterr().out)
    rhos = {}
    for variant in ("mlp", "gcn_paper"):
        by_seed = []
        for seed in (0, 1):
            files = [tmp_path / variant / f"seed_{seed}_fold_{fold}" / "test/predictions.parquet" for fold in (0, 1)]
            columns = [pq.read_table(file).to_pydict() for file in files]
            by_seed.append(
                scipy_rho(columns[0]["ridge"] + columns[1]["ridge"], columns[0]["score"] + columns[1]["score"])
            )
        rhos[variant] = sum(by_seed) / 2
    assert set(found) == {
        (variant, scorer)
        for variant in ("MLP", "GCN (paper)", "the paper's margin")
        for scorer in ("reference", "vote", "ridge")
    }
    assert found["MLP", "ridge"][:4] == ["4 of 4", "0", "0", f"{rhos['mlp']:.3f}"]
    assert found["MLP", "ridge"][5] == ""
    assert found["GCN (paper)", "ridge"][3] == found["the paper's margin", "ridge"][3] == f"{rhos['gcn_paper']:.3f}"
    assert found["GCN (paper)", "ridge"][5] == f"{rhos['gcn_paper'] - rhos['mlp']:+.3f}"
    low, high = map(float, found["MLP", "ridge"][4].strip("[]").split(","))
    assert low <= rhos["mlp"] <= high


def test_what_is_finished_is_not_repeated_and_more_seeds_are_added(
    table: Path, data: list[str], fakes: Fakes, tmp_path: Path
) -> None:
    for life in (1, 0):
        fakes.life = life
        assert ablate(table, tmp_path, *data, "--parallel=4") == 130
    killed = list(fakes.trained)
    assert 0 < len(killed) < 8
    fakes.life = None
    assert ablate(table, tmp_path, *data, "--parallel=4") == 0
    assert sorted(fakes.trained) == sorted(fakes.tested) == trials("mlp", "gcn_paper")
    assert ablate(table, tmp_path, *data) == 0
    assert len(fakes.trained) == len(fakes.tested) == 8
    assert ablate(table, tmp_path, *data, "--seeds=3") == 0
    assert sorted(fakes.trained) == trials("mlp", "gcn_paper", seeds=3)
    assert read_record(tmp_path / "the_paper_s_margin" / "seed_2_fold_1") is not None


def test_only_what_is_missing_is_evaluated_again(table: Path, data: list[str], fakes: Fakes, tmp_path: Path) -> None:
    assert ablate(table, tmp_path, *data) == 0
    (tmp_path / "mlp" / "seed_0_fold_0" / "cost.json").unlink()
    fakes.trained.clear()
    fakes.tested.clear()
    assert ablate(table, tmp_path, *data) == 0
    assert (fakes.trained, fakes.tested) == ([], ["mlp/seed_0_fold_0"])


def test_a_failed_trial_is_recorded_and_tried_again(
    table: Path, data: list[str], fakes: Fakes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes.no_fit, fakes.no_test = {"gcn_paper/seed_0_fold_0"}, {"mlp/seed_1_fold_1"}
    assert ablate(table, tmp_path, *data) == 1
    said = capsys.readouterr().out
    assert "gcn_paper/seed_0_fold_0: FAILED, no similar pairs" in said
    assert "2 models failed" in said
    found = cells(said)
    assert found["GCN (paper)", "ridge"][:3] == ["2 of 4", "0", "1"]  # the other seed has both folds
    assert found["the paper's margin", "ridge"][2] == "1"
    for name, error in [
        ("gcn_paper/seed_0_fold_0", "no similar pairs"),
        ("the_paper_s_margin/seed_0_fold_0", "no similar pairs"),
        ("mlp/seed_1_fold_1", "best.ckpt is missing"),
    ]:
        record = read_record(tmp_path / name)
        assert record is not None
        assert (record.status, record.error) == ("failed", error)
    fakes.no_fit, fakes.no_test = set(), set()
    fakes.trained.clear()
    assert ablate(table, tmp_path, *data) == 0
    assert sorted(fakes.trained) == ["gcn_paper/seed_0_fold_0", "mlp/seed_1_fold_1"]
    assert all(json.loads(path.read_text())["status"] == "finished" for path in tmp_path.glob("*/seed_*/trial.json"))


def test_a_model_of_several_files_is_trained_once(
    table: Path, data: list[str], fakes: Fakes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    margins = tmp_path / "margins.yaml"
    margins.write_text(MARGINS)
    output = tmp_path / "out"
    assert ablate(margins, output / "margins", *data) == 0  # one of them alone, before
    assert sorted(fakes.trained) == trials("paper", "narrow")
    fakes.trained.clear()
    both = ["ablate", "--config", str(table), "--config", str(margins), "--output", str(output), *data]
    assert run.main(both) == 0
    assert sorted(fakes.trained) == [f"table/{name}" for name in trials("mlp")]
    assert "20 runs of 12 models, 8 finished before" in capsys.readouterr().out
    for name, labels in [("table/gcn_paper", "GCN (paper)"), ("margins/paper", "paper")]:
        record = read_record(output / name / "seed_0_fold_1")
        assert record is not None
        assert (record.labels["variant"], record.campaign) == (labels, "Margins" if labels == "paper" else "Table II")
    assert (output / "table" / "gcn_paper" / "seed_0_fold_1" / "test").resolve() == (
        output / "margins" / "paper" / "seed_0_fold_1" / "test"
    )


def test_a_model_that_lost_its_twin_is_trained_itself(
    table: Path, data: list[str], fakes: Fakes, tmp_path: Path
) -> None:
    assert ablate(table, tmp_path, *data) == 0
    twin = tmp_path / "the_paper_s_margin" / "seed_0_fold_0"
    (tmp_path / "gcn_paper").rename(tmp_path / "elsewhere")
    table.write_text(TABLE.replace("  GCN (paper): {}\n", ""))
    fakes.trained.clear()
    assert ablate(table, tmp_path, *data) == 0
    assert sorted(fakes.trained) == trials("the_paper_s_margin")
    assert not any(path.is_symlink() for path in twin.iterdir())


def test_other_options_for_the_same_folder_are_refused(
    table: Path, data: list[str], fakes: Fakes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert ablate(table, output, *data) == 0
    words = ["ablate", "--config", str(table), "--output", str(output), *data]
    assert_refused(
        capsys, output, [*words, "--trainer.max_epochs=3"],
        "trainer.max_epochs = 50", "now it is 3", "'MLP'", "--output",
    )  # fmt: skip
    assert_refused(capsys, output, [*words, "--model.lr=0.1", "--model.margin=1"], "model.margin", "cannot be given")
    table.write_text(TABLE.replace("(paper): {}", "(paper): {model.encoder.channels: 8}"))
    assert_refused(capsys, output, words, "gcn_paper", "model.encoder.channels = 2", "now it is 8")
    table.write_text(TABLE.replace("Table II", "Table III"))
    assert_refused(capsys, output, words, "'Table II'", "'Table III'", "--output")


def test_another_base_goes_without_its_folds(
    table: Path, fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = [f"--data.root={tmp_path / 'demo'}", "--data.clips=48"]
    assert run.main(["ablate", "--config", "table.yaml", "--base", "demo.yaml", "--seeds=1", *own]) in (0, 1)
    assert "data.fold is no option of demo.yaml" in capsys.readouterr().out
    assert sorted(fakes.trained) == ["gcn_paper/seed_0", "mlp/seed_0"]
    assert (tmp_path / "runs/ablations/table/mlp/seed_0").is_dir()


def gcn(options: str) -> str:
    return TABLE.replace("GCN (paper): {}", f"GCN (paper): {{{options}}}")


@pytest.mark.parametrize(
    ("content", "words", "essential"),
    [
        (gcn("model.encoder.chanels: 3"), [], ["'GCN (paper)'", "did you mean 'model.encoder.channels'?"]),
        (gcn("model.encoder.channels: 0"), [], ["'GCN (paper)'", "at least 1"]),
        (gcn("model.margin: wide"), [], ["'GCN (paper)'", "model.margin", "a number"]),
        (TABLE.replace("mlp.yaml", "mpl.yaml"), [], ["no config 'mpl.yaml'", "'mlp.yaml'"]),
        (TABLE.replace("[0, 1]}", "[0, 7]}"), [], ["fold is 7"]),
        (TABLE.replace("  GCN (paper): {}", "  MLP: {}"), [], ["line", "'MLP' is there twice"]),
        (TABLE.replace("base: [speed21.yaml]", ""), [], ["no base", "--base"]),
        (TABLE.replace("variants", "variant"), [], ["did you mean 'variants'?"]),
        ("title: x\nvariants: {}", [], ["variants is {}"]),
        ("title: [x", [], ["not YAML"]),
        ("", [], ["empty"]),
        (TABLE, ["--seeds=0"], ["--seeds is 0"]),
        (TABLE, ["--parallel=0"], ["--parallel is 0"]),
        (TABLE, ["--base", "speed12.yaml"], ["no config 'speed12.yaml'", "speed21.yaml"]),
        (TABLE, ["--model.chanels=3"], ["command line", "model.chanels"]),
        (TABLE, ["--model.margn=3"], ["command line", "did you mean 'model.margin'?"]),
        (TABLE, ["--seed_everything=3"], ["seed_everything", "--seeds"]),
        (TABLE, ["--data.fold=3"], ["data.fold", "folds"]),
        (TABLE, ["more"], ["'more'"]),
        (TABLE, ["--ckpt_path=x"], ["ckpt_path"]),
        (TABLE, ["--config", "table.yaml"], ["given twice"]),
        (TABLE, ["--data.root=nowhere", "--data.cache=nowhere"], ["nowhere", "SPEED21"]),
    ],
)  # fmt: skip
def test_wrong_input_is_a_line(
    content: str, words: list[str], essential: list[str], data: list[str], fakes: Fakes, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("table.yaml").write_text(content)
    assert_refused(capsys, tmp_path, ["ablate", "--config", "table.yaml", *data, *words], *essential)


def test_seeds_stack_as_if_every_trial_had_been_asked() -> None:
    def trial(name: str, seed: int, *words: str) -> Trial:
        return Trial(f"{name}/{seed}", ("--config=speed21.yaml", *words, f"--seed_everything={seed}"))

    kinds = {
        "a": ["--model.margin=1"], "b": ["--data.fold=2"], "wide": ["--model.encoder.channels=8"],
        "alone": ["--trainer.gradient_clip_val=1.0"],
    }  # fmt: skip
    given = [trial(name, seed, *words) for seed in range(3) for name, words in kinds.items()]
    given.append(trial("single", 0, "--model.encoder.depth=3"))

    def parts(found: list[list[Trial]]) -> set[frozenset[str]]:
        return {frozenset(one.name for one in group) for group in found}

    assert parts(ablation_runs.stacks(given, 99)) == parts(stack.groups(given, 99))
    small = ablation_runs.stacks(given, 4)
    assert sorted(len(group) for group in small) == [1, 1, 1, 1, 3, 3, 3]
    assert sorted(one.name for group in small for one in group) == sorted(one.name for one in given)
