"""Wall time and peak memory of `fit` on demo data of 1x, 10x and 100x.

`python -m benchmarks.fit_scale [--scales 1 10 100]` prints a table; data: the demo generator's (synthetic), generated
before the clock starts. One epoch of 160 steps and its validation, so that start-up, loading and memory show.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._table import print_table
from datamodules.demo import Demo

CLIPS = 300
CHILD = """
import json, resource, sys
import cli.pose_cli, datamodules.demo, lightning_modules.pose_similarity
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import run
code = run.main(sys.argv[1:])
print(json.dumps([code, before / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def fit(root: Path, clips: int, runs: Path) -> tuple[float, float, float]:
    """Wall seconds of a process that fits one epoch, its peak memory after the imports and at the end, in MB."""
    words = [
        "fit", "--config", "demo.yaml", f"--data.root={root}", f"--data.clips={clips}", "--trainer.max_epochs=1",
        "--trainer.enable_progress_bar=false", f"--trainer.logger.save_dir={runs}",
    ]  # fmt: skip
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CHILD, *words], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    code, before, after = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return seconds, before, after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 10, 100], help="multiples of 300 clips")
    parser.add_argument("--rounds", type=int, default=3, help="runs at each scale")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for scale in options.scales:
            root, clips = Path(name) / f"demo_{scale}", CLIPS * scale
            begin = time.perf_counter()
            Demo(root=str(root), clips=clips).prepare_data()
            generating = time.perf_counter() - begin
            measured = [fit(root, clips, Path(name) / "runs") for _ in range(options.rounds)]
            seconds, before, after = (statistics.median(column) for column in zip(*measured, strict=True))
            rows.append(
                [
                    f"{scale}x",
                    f"{clips:,}",
                    f"{generating:.0f}",
                    f"{seconds:.1f}",
                    f"{after:.0f}",
                    f"{after - before:.0f}",
                ]
            )
    print_table(
        f"`fit`, one epoch, demo data (synthetic), medians of {options.rounds} processes",
        ["scale", "clips", "generating, s", "fit, s", "peak memory, MB", "beyond imports, MB"],
        rows,
    )


if __name__ == "__main__":
    main()
