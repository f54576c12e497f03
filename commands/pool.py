"""`python run.py pool RUN...`: one table for the union of the test predictions of several runs."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from commands import OptionParser
from drawing.evaluation_table import print_table
from errors import counted
from run_folder.pooled_runs import folds_of, tables_of
from run_folder.results import RunResult, read_result
from scoring.evaluation import Evaluation, evaluate_table
from scoring.pooling import pool
from scoring.trivial import UNCALIBRATED


def run(arguments: Sequence[str]) -> int:
    """Print the table."""
    parser = OptionParser(
        prog="run.py pool",
        description="One table for the test predictions of several runs of one model: the folds of a dataset pooled, "
        "or one run per sport joined by the Fisher mean. Runs on the same clips (seeds) are averaged clip by clip.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="a run's folder, such as runs/aqa7/version_0")
    parser.add_argument(
        "--rank-normalise",
        action="store_true",
        help="pool every predictor by its ranks within a run; else only those whose scale is the model's own",
    )
    options = parser.parse_args(arguments[1:])
    results = [read_result(folder) for folder in options.runs]
    folds = folds_of(results)
    everything = {name for result in results for name in result.predictors}
    by_rank = everything if options.rank_normalise else results[0].uncalibrated
    evaluation = pooled_evaluation(results, folds, by_rank)
    _print(evaluation, results, folds, by_rank)
    return 0


def pooled_evaluation(results: Sequence[RunResult], folds: Sequence[Sequence[int]], by_rank: set[str]) -> Evaluation:
    """The metrics of the union of the runs' test parts; `by_rank` are the predictors that are pooled by rank."""
    tables, actions = tables_of([result.columns for result in results])
    return evaluate_table(
        pool([[tables[index] for index in fold] for fold in folds], by_rank),
        headline=results[0].metrics["headline"],
        action_names=actions,
        trivial=results[0].trivial,
        uncalibrated=UNCALIBRATED | by_rank,
        synthetic=any(result.metrics["synthetic"] for result in results),
    )


def _print(
    evaluation: Evaluation, results: Sequence[RunResult], folds: Sequence[Sequence[int]], by_rank: set[str]
) -> None:
    names = [row.name for row in evaluation.rows]
    means = [[rho for result in results if (rho := result.rho(name)) is not None] for name in names]
    more = {
        "mean rho per run": [_mean(rhos, len(results)) for rhos in means],
        "pooled by": ["rank" if name in by_rank else "value" for name in names],
    }
    runs, parts = counted(len(results), "run"), counted(len(folds), "test part")
    print_table(evaluation, f"{runs}, {parts}", more=more)
    console = Console(soft_wrap=True)
    if by_rank.intersection(names):
        console.print("Pooled by rank: (rank - 1/2) / clips, within a run and action; R-l2 has no meaning then.")
    if len(folds) < len(results):
        console.print("Runs on the same clips are averaged, clip by clip; an average ranks better than one run does.")
    if left_out := sorted({name for result in results for name in result.predictors} - set(names)):
        console.print(f"Not in every run, so not in the table: {', '.join(left_out)}.")
    if collapsed := [str(result.folder) for result in results if result.metrics["collapsed"]]:
        console.print(
            f"[bold red]{len(collapsed)} of {runs} collapsed[/] (every embedding the same); the table holds their "
            f"predictions: {escape(', '.join(collapsed))}."
        )


def _mean(rhos: Sequence[float], runs: int) -> str:
    if not rhos:
        return "-"
    mean = f"{sum(rhos) / len(rhos):.3f}"
    return mean if len(rhos) == runs else f"{mean} (of {len(rhos)})"
