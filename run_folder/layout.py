"""Where a run's files lie in its folder, and where runs lie; docs/run-folder.md says what is in each file.

Nothing here, nor in what reads these files, needs Lightning; `run_folder.folder` is for training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from errors import InputError, one_line

CONFIG: Final = "config.yaml"
VERSIONS: Final = "versions.json"
METRICS: Final = "metrics.csv"
BEST: Final = "checkpoints/best.ckpt"
LAST: Final = "checkpoints/last.ckpt"
STOP: Final = "stop"
RECORD: Final = "trial.json"
COST: Final = "cost.json"
ROBUSTNESS: Final = "robustness.parquet"

# in the folder of a part: test, validate, predict
EVALUATION: Final = "metrics.json"
PREDICTIONS: Final = "predictions.parquet"
PAIRS: Final = "pairs.json"
ATTENTION: Final = "attention.npy"
FIGURE: Final = "figure.png"


def versions(parent: Path) -> list[tuple[int, Path]]:
    """Runs in `parent`, oldest first: (number, folder)."""
    found = [(folder.name.removeprefix("version_"), folder) for folder in parent.glob("version_*")]
    return sorted((int(number), folder) for number, folder in found if number.isdigit())


def run_of_checkpoint(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, if it lies in one."""
    folder = checkpoint.resolve().parent
    return folder.parent if folder.name == Path(BEST).parent.name and (folder.parent / CONFIG).exists() else None


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run: not any that holds a config.yaml, such as those of W&B."""
    beside = (METRICS, VERSIONS, Path(BEST).parent, "test")
    return (folder / RECORD).is_file() or (
        (folder / CONFIG).is_file() and any((folder / name).exists() for name in beside)
    )


@contextmanager
def reading(path: Path, advice: str = "") -> Iterator[None]:
    """Within it a file is parsed and checked; what is wrong with it is said in a line, which `advice` ends.

    Raises:
        InputError: in place of whatever is raised within; one of its own passes.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # an arbitrary file makes parsers, and what looks into its content, fail in any way
        said = one_line(str(error)) or type(error).__name__
        raise InputError(f"{path}: cannot be read ({said}){advice and f'; {advice}'}") from error
