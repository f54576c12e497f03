"""What validation, test and prediction leave behind: a table on screen, and files in the run's folder."""

import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from files import write_atomically
from lightning_modules.clip_model import ClipModel
from run_folder.folder import folder_of
from scoring.evaluation import ClipTable, Evaluation, clip_table
from scoring.scorers import ClipScorer

ATTENTION: Final = "attention.npy"
"""File beside the predictions: float32 [tracks, layers, parts, windows], in the order of the tracks."""


class NamedClip(Protocol):
    """What the report asks of a clip's label."""

    @property
    def clip_id(self) -> str:
        """Its name."""

    @property
    def group(self) -> str | None:
        """Athlete or event."""


class EvaluationReport(Callback):
    """After `validate` and `test`: a table on screen; metrics.json, predictions.parquet, pairs.json and figure.png
    in `<run>/validate` or `<run>/test`. After `predict`: `<run>/predict/predictions.parquet`.
    """  # noqa: D205

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report a validation of its own, not those in the middle of training."""
        if trainer.state.fn == "validate":
            self._report(trainer, pl_module, "validate")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report a test."""
        self._report(trainer, pl_module, "test")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write predictions and say where."""
        folder = folder_of(trainer)
        if not trainer.is_global_zero or not isinstance(pl_module, ClipModel) or pl_module.scored is None:
            return
        path = _folder(folder, "predict") / "predictions.parquet"
        table = clip_table(pl_module.scored, pl_module.predictions)
        write_predictions(path, table, *_names(trainer))
        Console().print(f"{len(table.clip)} clips scored: [bold]{path}[/]")

    def _report(self, trainer: Trainer, pl_module: LightningModule, name: str) -> None:
        folder = folder_of(trainer)
        if not trainer.is_global_zero or not isinstance(pl_module, ClipModel) or pl_module.evaluation is None:
            return
        evaluation = pl_module.evaluation
        clips, actions = _names(trainer)
        dataset = type(trainer.datamodule).__name__  # type: ignore[attr-defined]  # set by Trainer, not declared
        folder = write_results(folder, name, pl_module, dataset, clips, actions)
        rhos = {f"{name}/spearman_{row.name}": row.rho for row in evaluation.rows if row.rho is not None}
        for logger in trainer.loggers:
            logger.log_metrics({**rhos, f"{name}/collapsed": float(pl_module.collapsed)}, step=trainer.global_step)
        assert pl_module.scored is not None
        print_table(evaluation, name, pl_module.collapsed)
        from drawing.evaluation_figure import evaluation_figure  # matplotlib: seconds that training does without
        from drawing.pictures import save_figure

        save_figure(evaluation_figure(evaluation, pl_module.scored, actions, name), folder / "figure.png")
        Console().print(f"metrics.json, predictions.parquet, pairs.json and figure.png: [bold]{folder}[/]")


def write_results(
    run: Path, part: str, model: ClipModel, dataset: str, clips: Sequence[NamedClip], action_names: Sequence[str]
) -> Path:
    """metrics.json, predictions.parquet and pairs.json of a model that has been evaluated; attention.npy if it has any.

    Args:
        run: folder of the run.
        part: "validate" or "test".
        model: with its `evaluation`, the tracks `scored` and whether it `collapsed`.
        dataset: name of the data module.
        clips: by clip index.
        action_names: by action index.

    Returns:
        The folder that they are in.
    """
    assert model.evaluation is not None
    assert model.scored is not None
    folder = _folder(run, part)
    scorers = cast(list[ClipScorer], model.scorers)
    content = {
        "part": part,
        "dataset": dataset,
        "collapsed": model.collapsed,
        "settings": {scorer.name: str(scorer.setting) for scorer in scorers},
        "calibrated": {scorer.name: scorer.calibrated for scorer in scorers},
        **model.evaluation.to_json(),
    }
    write_atomically(folder / "metrics.json", json.dumps(content, indent=2) + "\n")
    write_predictions(folder / "predictions.parquet", model.evaluation.table, clips, action_names)
    from drawing.evaluation_figure import pairs_to_json  # matplotlib, see above

    pairs = pairs_to_json(model.scored, [clip.clip_id for clip in clips], action_names)
    write_atomically(folder / "pairs.json", json.dumps(pairs) + "\n")
    if model.attention is not None:
        buffer = io.BytesIO()
        np.save(buffer, model.attention.float().numpy())
        write_atomically(folder / ATTENTION, buffer.getvalue())
    return folder


def write_predictions(path: Path, table: ClipTable, clips: Sequence[NamedClip], action_names: Sequence[str]) -> None:
    """One row a clip: clip, action, group, score, difficulty, and a column for every predictor; null where unknown.

    Clips, actions and groups go by name, so that the files of several runs can be read together.
    """

    def column(values: Tensor) -> pa.Array:
        return pa.array(values.cpu().numpy(), from_pandas=True)  # NaN becomes null

    columns: dict[str, Any] = {
        "clip": [clips[i].clip_id for i in table.clip.tolist()],
        "action": [action_names[i] for i in table.action.tolist()],
        "group": pa.array([clips[i].group for i in table.clip.tolist()], pa.string()),
        "score": column(table.score),
        "difficulty": column(table.difficulty),
    }
    columns |= {name: column(values) for name, values in table.predictions.items()}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    write_atomically(path, buffer.getvalue())


def print_table(
    evaluation: Evaluation,
    part: str,
    collapsed: bool = False,
    more: Mapping[str, Sequence[str]] | None = None,
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


def _names(trainer: Trainer) -> tuple[list[NamedClip], list[str]]:
    source = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer, not declared
    return source.clips, source.action_names


def _folder(run: Path, name: str) -> Path:
    (run / name).mkdir(parents=True, exist_ok=True)
    return run / name


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"[{ends[0]:.2f}, {ends[1]:.2f}]".replace("[", r"\[")
