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
    more = more or {}
    console = Console(width=None if sys.stdout.isatty() else 120)
    made_up = " of SYNTHETIC poses" if evaluation.synthetic else ""
    kind = "Fisher mean of rho over actions" if evaluation.headline == "fisher" else "rho of all clips"
    table = Table(title=f"{part}: {evaluation.clips} clips{made_up}", caption=f"rho: {kind}; 95 % bootstrap intervals")
    headers = ["predictor", "rho", "by clip", "by group", "pooled rho", "R-l2 x100", "execution rho", *more]
    rows, several = evaluation.rows, evaluation.headline == "fisher" and len(evaluation.actions) > 1
    shown = [
        True,
        True,
        True,
        any(row.by_group for row in rows),
        several and any(row.pooled_rho is not None for row in rows),
        True,
        any(row.execution_rho is not None for row in rows),
        *[True] * len(more),
    ]
    for header, show in zip(headers, shown, strict=True):
        if show:
            table.add_column(header, justify="left" if header == "predictor" else "right")
    for i, row in enumerate(rows):
        cells = [
            f"[dim]{row.name}[/]" if row.trivial else f"[bold]{row.name}[/]",
            _number(row.rho),
            _interval(row.by_clip),
            _interval(row.by_group),
            _number(row.pooled_rho),
            _number(row.relative_l2),
            _number(row.execution_rho),
            *[column[i] for column in more.values()],
        ]
        table.add_row(*[cell for cell, show in zip(cells, shown, strict=True) if show])
    console.print(table)
    if len(evaluation.actions) > 1:
        table = Table(title=f"{evaluation.rows[0].name}, action by action")
        for header in ("action", "clips", "rho", "by clip", "R-l2 x100"):
            table.add_column(header, justify="left" if header == "action" else "right")
        for action in evaluation.actions:
            table.add_row(
                action.action,
                str(action.clips),
                _number(action.rho),
                _interval(action.by_clip),
                _number(action.relative_l2),
            )
        console.print(table)
    if collapsed:
        console.print("[bold red]The embeddings have collapsed: the numbers of the model mean nothing.[/]")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"[{ends[0]:.2f}, {ends[1]:.2f}]".replace("[", r"\[")
