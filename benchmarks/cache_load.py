"""How fast a keypoint cache of FineDiving's size loads, and how much memory that takes (Linux).

    python -m benchmarks.cache_load [--clips N] [--runs N]

Every load runs in a fresh process with a warm page cache. The rival holds the same numbers in 45 scalar columns and
reads them as quickly as it can (same threads, no checks at all).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datamodules.cache import Provenance, read_cache, write_clip

FRAMES = 104
LISTS, SCALARS = "lists (this cache)", "45 scalar columns"


def make(folder: Path, clips: int) -> None:
    """Write the same random walks, with some frames and joints missing, in both layouts."""
    generator = np.random.default_rng(0)
    (folder / SCALARS).mkdir(parents=True)
    provenance = Provenance("benchmark", "detector", "estimator", "0" * 64)
    for index in range(clips):
        walk = generator.normal(0, 2, (FRAMES, 15, 2)).cumsum(axis=0)
        xy = (walk + generator.uniform(100, 500, (1, 15, 2))).astype(np.float32)
        confidence = generator.uniform(0.2, 1, (FRAMES, 15)).astype(np.float32)
        xy[generator.random((FRAMES, 15)) < 0.03] = np.nan
        xy[generator.random(FRAMES) < 0.02] = np.nan
        frame = np.arange(FRAMES, dtype=np.int32)
        clip_id = f"clip_{index:05d}"
        write_clip(
            folder / LISTS,
            clip_id,
            xy=xy,
            confidence=confidence,
            frame=frame,
            time=frame / 25,
            provenance=provenance,
        )
        numbers = np.concatenate((xy.reshape(FRAMES, 30), confidence), axis=1)
        columns = {f"c{column}": numbers[:, column] for column in range(45)}
        table = pa.table({"clip_id": [clip_id] * FRAMES, "person": frame * 0, "frame": frame, **columns})
        pq.write_table(
            table,
            folder / SCALARS / f"{clip_id}.parquet",
            compression="none",
            use_dictionary=["clip_id"],
            write_statistics=False,
        )


def read_scalars(folder: Path) -> tuple[Any, ...]:
    def read(path: Path) -> tuple[Any, ...]:
        with pq.ParquetFile(pa.BufferReader(path.read_bytes())) as file:
            table = file.read(use_threads=False)
        numbers = np.column_stack([table[f"c{column}"].to_numpy() for column in range(45)])
        return table["person"].to_numpy(), table["frame"].to_numpy(), numbers

    with ThreadPoolExecutor() as pool:
        clips = list(pool.map(read, sorted(folder.glob("*.parquet"))))
    return tuple(np.concatenate(columns) for columns in zip(*clips, strict=True))


READERS: dict[str, Callable[[Path], object]] = {LISTS: read_cache, SCALARS: read_scalars}


def memory(key: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process in MB; unlike getrusage, nothing is inherited from the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{key}:")[1].split()[0]) / 1024


def measure(folder: Path, layout: str) -> None:
    """Load once and print seconds and the peak memory beyond what the imports left."""
    before = memory("VmRSS")
    start = perf_counter()
    table = READERS[layout](folder / layout)
    seconds = perf_counter() - start
    print(json.dumps([seconds, memory("VmHWM") - before]))
    del table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache_load", description=__doc__)
    parser.add_argument("--clips", type=int, default=3000, help="clips of the full cache (default 3000)")
    parser.add_argument("--runs", type=int, default=5, help="loads of each cache (default 5)")
    parser.add_argument("--measure", nargs=2, metavar=("FOLDER", "LAYOUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(Path(arguments.measure[0]), arguments.measure[1])
        return

    with tempfile.TemporaryDirectory() as scratch:
        sizes = [max(arguments.clips // 4, 1), max(arguments.clips // 2, 1), arguments.clips]
        for clips in sizes:
            make(Path(scratch, str(clips)), clips)
        loads: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for run in range(arguments.runs + 1):
            for clips in sizes:
                for layout in READERS:
                    command = [sys.executable, "-m", "benchmarks.cache_load", "--measure", f"{scratch}/{clips}", layout]
                    result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                    if run:  # the first round warms the page cache
                        loads.setdefault((layout, clips), []).append(result)
        print(f"median of {arguments.runs} loads, each in a fresh process, warm page cache; peak is beyond the imports")
        print(f"{'layout':<20} {'clips':>6} {'frames':>8} {'seconds':>8} {'min-max':>10} {'peak MB':>8} {'disk MB':>8}")
        for (layout, clips), results in sorted(loads.items()):
            seconds = [result[0] for result in results]
            peak = max(result[1] for result in results)
            files = Path(scratch, str(clips), layout).iterdir()
            disk = sum(file.stat().st_size for file in files) / 1e6
            print(
                f"{layout:<20} {clips:>6} {clips * FRAMES:>8} {median(seconds):>8.2f} "
                f"{min(seconds):>5.2f}-{max(seconds):.2f} {peak:>8.0f} {disk:>8.0f}"
            )
        full, half = (median(result[0] for result in loads[LISTS, clips]) for clips in (sizes[2], sizes[1]))
        print(f"twice the clips take {full / half:.2f} times as long; target: 3,000 clips in 3 s and 1,000 MB")


if __name__ == "__main__":
    main()
