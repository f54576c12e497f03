"""An evaluation as tables on screen."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from scoring.evaluation import Evaluation


def print_table(
    evaluation: Evaluation, part: str, collapsed: bool = False, more: Mapping[str, Sequence[str]] | None = None
) -> None:
    """The evaluation as tables on standard output.

    Args:
        evaluation: what to print.
        part: what the title calls it.
        collapsed: whether the model's embeddings have collapsed; said below the table.
        more: further columns, each with a cell for every row of the evaluation.
    """
    console = Console(width=None if sys.stdout.isatty() else 120)
    made_up = " of SYNTHETIC poses" if evaluation.synthetic else ""
    kind = "Fisher mean of rho over actions" if evaluation.headline == "fisher" else "rho of all clips"
    rows, several = evaluation.rows, evaluation.headline == "fisher" and len(evaluation.actions) > 1
    grouped = any(row.by_group for row in rows)
    pooled = several and any(row.pooled_rho is not None for row in rows)
    known = any(row.execution_rho is not None for row in rows)
    columns = {
        "predictor": [f"[dim]{row.name}[/]" if row.trivial else f"[bold]{row.name}[/]" for row in rows],
        "rho": [_number(row.rho) for row in rows],
        "by clip": [_interval(row.by_clip) for row in rows],
        "by group": [_interval(row.by_group) for row in rows] * grouped,
        "pooled rho": [_number(row.pooled_rho) for row in rows] * pooled,
        "R-l2 x100": [_number(row.relative_l2) for row in rows],
        "execution rho": [_number(row.execution_rho) for row in rows] * known,
        **(more or {}),
    }
    title, caption = f"{part}: {evaluation.clips} clips{made_up}", f"rho: {kind}; 95 % bootstrap intervals"
    console.print(_table(title, columns, caption))
    if len(evaluation.actions) > 1:
        actions = evaluation.actions
        columns = {
            "action": [one.action for one in actions],
            "clips": [str(one.clips) for one in actions],
            "rho": [_number(one.rho) for one in actions],
            "by clip": [_interval(one.by_clip) for one in actions],
            "R-l2 x100": [_number(one.relative_l2) for one in actions],
        }
        console.print(_table(f"{rows[0].name}, action by action", columns))
    if collapsed:
        console.print("[bold red]The embeddings have collapsed: the numbers of the model mean nothing.[/]")


def _table(title: str, columns: Mapping[str, Sequence[str]], caption: str | None = None) -> Table:
    """A table of the columns that are not empty, names at the left."""
    table = Table(title=title, caption=caption)
    shown = {header: cells for header, cells in columns.items() if cells}
    for number, header in enumerate(shown):
        table.add_column(header, justify="right" if number else "left")
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*cells)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"[{ends[0]:.2f}, {ends[1]:.2f}]".replace("[", r"\[")
