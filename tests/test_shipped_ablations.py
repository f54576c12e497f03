"""Every shipped ablation is short, and its variants are models that can be built; a tiny one is killed and goes on."""

import signal
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

import run
from cli.config_files import CONFIGS
from cli.fit_options import FitOptions
from run_folder.trial import read_record
from tests.datasets import FAST, options
from tests.forks import Child, start
from trials.ablation.ablation_plan import Plan, plans_of

FILES = sorted((CONFIGS / "ablations").glob("*.yaml"))
BASES = {path: yaml.safe_load(path.read_text())["base"][0] for path in FILES}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def data(made: Path) -> list[str]:
    return options("speed21.yaml", made)[2:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data: list[str]) -> Path:
    """A folder of runs with the encoder that variants of baselines.yaml take, of the first seed and fold."""
    folder = tmp_path_factory.mktemp("runs")
    run_folder = folder / "table2" / "gcn_16_channels" / "seed_0_fold_0"
    words = ["--config", "speed21.yaml", *data, *FAST, "--model.encoder.channels=16"]
    assert run.main(["fit", *words, f"--trainer.logger.folder={run_folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def planned(made: Path, runs: Path) -> Callable[[Path], Plan]:
    """The plan of a file; builds every model and its data, once."""

    @cache
    def planned(path: Path) -> Plan:
        (plan,) = plans_of([f"ablations/{path.name}"], None, None, options(BASES[path], made)[2:], runs / path.stem)
        return plan

    return planned


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_short_and_every_variant_can_be_built(path: Path, planned: Callable[[Path], Plan]) -> None:
    assert len(path.read_text().splitlines()) <= 30
    plan = planned(path)
    models = [str(sorted(one.values.items())) for one in plan.options.values()]
    assert len(set(models)) == len(models), "two variants are one model"


@pytest.mark.slow
def test_the_paper_is_the_paper(data: list[str], planned: Callable[[Path], Plan]) -> None:
    """What tables call the paper's model is speed21.yaml, but for what the whole file says."""
    reader = FitOptions()
    checked = 0
    for plan in [planned(path) for path, base in BASES.items() if base == "speed21.yaml"]:
        common = set.intersection(*(set(variant.options.items()) for variant in plan.ablation.variants))
        words = [f"--{key}={value}" for key, value in common if key != "model.encoder.channels"]
        shipped = reader.flat(reader.parse(["--config=speed21.yaml", *words, *data]))
        for variant in plan.ablation.variants:
            if "(paper)" in variant.name:
                own = plan.options[variant.folder].values
                differing = {key for key in own if own[key] != shipped.get(key)}
                assert differing <= {"model.encoder.channels"}, (plan.path, variant.name)
                assert own["model.encoder.channels"] == 2 or not variant.name.startswith("2 ")
                checked += 1
    assert checked > 5


def finished(output: Path) -> list[Path]:
    return [path for path in output.glob("*/seed_*") if (record := read_record(path)) and record.status == "finished"]


@pytest.mark.slow
def test_killed_and_continued_it_is_the_one_that_was_not(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text("""
title: Tiny
base: [demo.yaml]
seeds: 2
options: {data.clips: 48, data.pairs.pairs_per_epoch: 640, trainer.max_epochs: 2}
variants: {wide: {}, low: {model.margin: 0.7}, mlp: {config: mlp.yaml}, the same: {model.margin: 1.35}}
""")

    def ablate(name: str) -> Child:
        words = ["ablate", f"--config={file}", f"--output={tmp_path / name}", "--parallel=1"]
        return start("run.py", *words, f"--data.root={tmp_path / 'demo'}")

    whole = ablate("whole")
    said, _ = whole.communicate(timeout=1500)
    assert whole.returncode == 0
    assert "8 runs of 6 models, 0 finished before" in said
    killed = ablate("killed")
    while killed.poll() is None and not finished(tmp_path / "killed"):
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert 0 < len(finished(tmp_path / "killed")) < 8
    again = ablate("killed")
    said, _ = again.communicate(timeout=1500)
    assert again.returncode == 0
    assert "Tiny" in said
    names = {path.relative_to(tmp_path / "whole") for path in finished(tmp_path / "whole")}
    assert len(names) == 8
    assert {path.relative_to(tmp_path / "killed") for path in finished(tmp_path / "killed")} == names
    for name in names:
        one, other = (pq.read_table(tmp_path / run / name / "test/predictions.parquet") for run in ("whole", "killed"))
        assert one.equals(other), name
        assert (tmp_path / "killed" / name / "metrics.csv").read_text() == (
            tmp_path / "whole" / name / "metrics.csv"
        ).read_text()
        for file_name in ("config.yaml", "checkpoints/best.ckpt", "cost.json", "robustness.parquet"):
            assert (tmp_path / "killed" / name / file_name).is_file()
