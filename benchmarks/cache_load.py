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

from poses.cache.keypoint_cache import PoseTable, Provenance, list_clips, read_cache, write_clip

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
            folder / LISTS, clip_id, xy=xy, confidence=confidence, frame=frame, time=frame / 25, provenance=provenance
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


def read_lists(folder: Path, clips: int) -> PoseTable:
    return read_cache(folder, list_clips(folder)[:clips])


def read_scalars(folder: Path, clips: int) -> tuple[Any, ...]:
    def read(path: Path) -> pa.Table:
        with pq.ParquetFile(pa.BufferReader(path.read_bytes())) as file:
            return file.read(use_threads=False)

    with ThreadPoolExecutor(2) as pool:
        table = pa.concat_tables(pool.map(read, sorted(folder.glob("*.parquet"))[:clips]))
    person, frame = (np.from_dlpack(pa.concat_arrays(table[name].chunks)) for name in ("person", "frame"))
    numbers = np.empty((len(table), 45), dtype=np.float32)
    for column in range(45):
        numbers[:, column] = np.from_dlpack(pa.concat_arrays(table[f"c{column}"].chunks))
    return person, frame, numbers


READERS: dict[str, Callable[[Path, int], object]] = {LISTS: read_lists, SCALARS: read_scalars}


def memory(key: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process in MB; unlike getrusage, nothing is inherited from the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{key}:")[1].split()[0]) / 1024


def measure(folder: Path, clips: int, layout: str) -> None:
    """Load once and print seconds and the peak memory beyond what the imports left."""
    before = memory("VmRSS")
    start = perf_counter()
    table = READERS[layout](folder / layout, clips)
    seconds = perf_counter() - start
    print(json.dumps([seconds, memory("VmHWM") - before]))
    del table


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cache_load", description="How fast a keypoint cache loads, and in how much memory."
    )
    parser.add_argument("--clips", type=int, default=3000, help="clips of the cache, of 104 frames (default 3000)")
    parser.add_argument("--runs", type=int, default=5, help="loads of each size and layout (default 5)")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        folder, clips, layout = arguments.measure
        measure(Path(folder), int(clips), layout)
        return

    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch), arguments.clips)
        sizes = [max(arguments.clips // share, 1) for share in (4, 2, 1)]
        loads: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for run in range(arguments.runs + 1):
            for size in sizes:
                for layout in READERS:
                    command = [sys.executable, "-m", "benchmarks.cache_load", "--measure", scratch, str(size), layout]
                    result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                    if run:  # the first round warms the page cache
                        loads.setdefault((layout, size), []).append(result)
        disk = {
            layout: sum(file.stat().st_size for file in Path(scratch, layout).iterdir()) / 1e6 for layout in READERS
        }
    from benchmarks._table import print_table  # its torch would only slow the measured processes down

    rows = []
    for (layout, size), results in sorted(loads.items()):
        seconds = [result[0] for result in results]
        spread = f"{min(seconds):.2f} - {max(seconds):.2f}"
        peak = f"{max(result[1] for result in results):.0f}"
        stored = f"{disk[layout] * size / arguments.clips:.0f}"
        rows.append([layout, f"{size:,}", f"{size * FRAMES:,}", f"{median(seconds):.2f}", spread, peak, stored])
    print_table(
        f"Loading a keypoint cache: medians of {arguments.runs} loads in fresh processes, warm page cache",
        ["layout", "clips", "frames", "seconds", "min - max", "peak MB beyond imports", "MB on disk"],
        rows,
    )
    half, full = (median(result[0] for result in loads[LISTS, size]) for size in sizes[1:])
    print(f"\ntwice the clips take {full / half:.2f} times as long; target: 3,000 clips in 3 s and 1,000 MB")


if __name__ == "__main__":
    main()
