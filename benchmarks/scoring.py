"""Scoring at FineDiving's size: 749 clips against 2,251, 96 poses, 50 embedding dimensions, every scorer and alignment.

`python -m benchmarks.scoring [--rounds 3] [--dtw-one-action]` prints a table; data: random embeddings. Rivals that loop
over pairs run on a sample of them and are extrapolated, which the table says.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from sklearn.linear_model import Ridge
from torch import Tensor
from torch.nn.functional import cosine_similarity
from tslearn.metrics import dtw_path_from_metric

from benchmarks._table import print_table
from poses.batches import EmbeddedClips
from scoring.alignment import Alignment, DTWAlignment, IdentityAlignment, PhaseAlignment
from scoring.distances import score_from_distance, unit
from scoring.reference import ReferenceScorer
from scoring.ridge import RidgeScorer
from scoring.scorers import ClipScorer
from scoring.vote import VoteScorer

QUERIES, EXEMPLARS, TIMES, WIDTH, TYPES = 749, 2251, 96, 50, 52
PAIRS_IN_SAMPLE = 200


def clips(n: int, types: int, seed: int) -> EmbeddedClips:
    """Random clips of `types` actions whose sizes fall as 1 / rank, in one to four phases."""
    generator = torch.Generator().manual_seed(seed)
    share = 1 / torch.arange(1, types + 1)
    begins = torch.rand(n, 5, generator=generator, dtype=torch.float64).sort(1).values
    begins[:, 0], last = 0, torch.randint(1, 5, (n, 1), generator=generator)
    begins = begins.scatter(1, last, 1.0).masked_fill(torch.arange(5) > last, torch.nan)
    index, unknown = torch.arange(n), torch.full((n,), torch.nan, dtype=torch.float64)
    return EmbeddedClips(
        embedding=torch.randn(n, TIMES, WIDTH, generator=generator) + torch.randn(n, 1, WIDTH, generator=generator),
        poses=torch.zeros(n, TIMES, 15, 2),
        track=index,
        clip=index,
        action=torch.multinomial(share, n, replacement=True, generator=generator),
        score=100 * torch.rand(n, generator=generator, dtype=torch.float64),
        score_range=torch.tensor([[0.0, 100.0]], dtype=torch.float64).expand(n, 2),
        difficulty=unknown,
        group=torch.full((n,), -1),
        phases=begins,
        covariates=torch.zeros(n, 0, dtype=torch.int64),
    )


def pair_count(queries: EmbeddedClips, exemplars: EmbeddedClips) -> int:
    return sum(len(rows) * len(columns) for rows, columns in queries.by_action(exemplars))


def loop_over_pairs(queries: EmbeddedClips, exemplars: EmbeddedClips) -> None:
    for pair in range(PAIRS_IN_SAMPLE):
        distance = 1 - cosine_similarity(queries.embedding[pair], exemplars.embedding[pair], dim=-1)
        float(score_from_distance(distance).mean())


def tslearn_over_pairs(queries: EmbeddedClips, exemplars: EmbeddedClips) -> None:
    for pair in range(PAIRS_IN_SAMPLE):
        dtw_path_from_metric(queries.embedding[pair].numpy(), exemplars.embedding[pair].numpy(), metric="cosine")


def sklearn_per_action(queries: EmbeddedClips, exemplars: EmbeddedClips) -> None:
    for rows, columns in queries.by_action(exemplars):
        features: Tensor = unit(exemplars.embedding[columns]).flatten(1).double()
        wanted: Tensor = unit(queries.embedding[rows]).flatten(1).double()
        for penalty in RidgeScorer().lambdas:
            Ridge(penalty).fit(features.numpy(), exemplars.score[columns]).predict(wanted.numpy())


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """Largest resident memory since `reset_peak`, in GB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which every row runs once")
    parser.add_argument("--dtw-one-action", action="store_true", help="DTW of every query against every exemplar too")
    options = parser.parse_args()

    spread = clips(QUERIES, TYPES, 1), clips(EXEMPLARS, TYPES, 2)
    single = clips(QUERIES, 1, 1), clips(EXEMPLARS, 1, 2)
    Rows = dict[tuple[str, str], tuple[Callable[[], object], float]]
    rows: Rows = {}

    def add(
        actions: str, name: str, run: Callable[[EmbeddedClips, EmbeddedClips], object], sample: int | None = None
    ) -> None:
        data = spread if actions == str(TYPES) else single
        rows[actions, name] = (lambda: run(*data), pair_count(*data) / sample if sample else 1)

    def scorers(alignment: Alignment) -> list[ClipScorer]:
        return [ReferenceScorer(alignment=alignment), VoteScorer(alignment=alignment)]

    for actions in (str(TYPES), "1"):
        for alignment in (IdentityAlignment(), PhaseAlignment(), DTWAlignment()):
            if actions == str(TYPES) or not isinstance(alignment, DTWAlignment) or options.dtw_one_action:
                for scorer in scorers(alignment):
                    add(actions, scorer.name, scorer.predict_all)
        add(actions, "ridge", RidgeScorer().predict_all)
        add(actions, "rival: scikit-learn ridge", sklearn_per_action)
        add(actions, "rival: loop over pairs, identity (extrapolated)", loop_over_pairs, PAIRS_IN_SAMPLE)
        add(actions, "rival: tslearn over pairs, DTW (extrapolated)", tslearn_over_pairs, PAIRS_IN_SAMPLE)

    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in rows}
    memory = dict.fromkeys(rows, 0.0)
    tslearn_over_pairs(*single)
    for _ in range(options.rounds):
        for key, (run, factor) in rows.items():
            reset_peak()
            begin = time.perf_counter()
            run()
            seconds[key].append((time.perf_counter() - begin) * factor)
            memory[key] = max(memory[key], peak())

    counts = {str(TYPES): pair_count(*spread), "1": pair_count(*single)}
    print_table(
        f"Scoring {QUERIES} clips against {EXEMPLARS:,}, {TIMES} poses, {WIDTH} dimensions, "
        f"medians of {options.rounds} interleaved rounds; every row gives the predictions of all candidate settings",
        ["action types", "pairs of clips", "scorer (alignment, if not identity)", "seconds", "peak memory, GB"],
        [
            [actions, f"{counts[actions]:,}", name, f"{statistics.median(times):.2f}", f"{memory[actions, name]:.2f}"]
            for (actions, name), times in seconds.items()
        ],
    )


if __name__ == "__main__":
    main()
