import csv
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from run_folder.folder import RunFolder


def rows(folder: RunFolder) -> list[dict[str, str]]:
    with (Path(folder.log_dir) / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_a_call_and_new_columns_later(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path), "a")
    run.log_metrics({"loss": 0.5}, step=0)
    run.log_metrics({"loss": 0.25}, step=10)
    run.log_metrics({"rho": 0.5}, step=10)
    run.log_metrics({"loss": 0.1}, step=20)
    assert rows(run) == [
        {"step": "0", "loss": "0.5", "rho": ""},
        {"step": "10", "loss": "0.25", "rho": ""},
        {"step": "10", "loss": "", "rho": "0.5"},
        {"step": "20", "loss": "0.1", "rho": ""},
    ]


def test_rewinding_takes_out_what_came_after_and_half_a_line(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path), "a")
    for step in range(5):
        run.log_metrics({"loss": float(step), "rho": 0.0}, step=step)
    path = Path(run.log_dir) / "metrics.csv"
    with path.open("a") as file:
        file.write("1")  # killed while writing
    again = RunFolder(folder=run.log_dir)
    again.rewind(3)
    again.log_metrics({"loss": 9.0}, step=3)
    assert [(row["step"], row["loss"]) for row in rows(again)] == [
        ("0", "0.0"),
        ("1", "1.0"),
        ("2", "2.0"),
        ("3", "9.0"),
    ]


def test_versions_count_up(tmp_path: Path) -> None:
    folders = [Path(RunFolder(str(tmp_path), "a").log_dir) for _ in range(11)]
    assert [folder.name for folder in folders] == [f"version_{i}" for i in range(11)]


def _make(folder: str) -> str:
    return RunFolder(folder, "a").log_dir


def test_processes_never_share_a_version(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        made = list(pool.map(_make, [str(tmp_path)] * 16))
    assert len(set(made)) == 16
