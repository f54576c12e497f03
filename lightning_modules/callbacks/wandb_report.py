"""What Weights & Biases gets of a run: config, versions, every metric, and tables and pictures of the clips."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from lightning import Callback, LightningModule, Trainer

from errors import InputError
from lightning_modules.clip_model import ClipModel
from lightning_modules.wandb_log import WandbLog, labels, start
from run_folder.folder import folder_of
from run_folder.layout import CONFIG, VERSIONS
from run_folder.origin import read_config, read_versions
from run_folder.results import clip_rows
from scoring.evaluation import ClipTable, Evaluation, clip_table, evaluate_table
from scoring.scorers import ClipScorer


class WandbReport(Callback):
    """Logs the run to W&B: online when logged in, offline otherwise, which it says in a line; WANDB_MODE decides.

    The run on W&B belongs to the run's folder: resumed, validated and tested it is one run. It gets what the other
    loggers get, and after the last validation of training, `validate` and `test`, under that name: `predictions` (a
    table, one row a clip), `scatter` of predictions against scores an action, `figure` (those, and rho of every
    predictor), `pairs` (skeletons of the poses that are most and least alike) and `embedding` (a plane of the poses'
    embeddings, as picture and table); after `predict` the `predictions`.

    Args:
        project: on W&B.
        entity: user or team on W&B; the account's default if not given.
        group: of the run; config and encoder if not given.
        tags: beside config, dataset, encoder, fold and seed.
    """

    def __init__(
        self, project: str = "gcn-psn", entity: str | None = None, group: str | None = None, tags: Sequence[str] = ()
    ) -> None:
        self._options: dict[str, Any] = {"project": project, "entity": entity, "group": group, "tags": tags}
        self._log: WandbLog | None = None  # None where nothing is logged, and on all but the main process
        self._folder = Path()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin or go on with the run on W&B; here, not as a logger of the config: the data are found to be right.

        Raises:
            InputError: W&B cannot be used, on every process.
        """
        self._log = None
        last = [callback for callback in trainer.callbacks if isinstance(callback, WandbReport)][-1]  # type: ignore[attr-defined]  # not declared by Trainer
        if last is not self or trainer.fast_dev_run:  # type: ignore[attr-defined]  # as above
            return
        self._folder = folder_of(trainer)
        problem = None
        if trainer.is_global_zero:
            try:
                self._begin(trainer, pl_module)
            except InputError as error:
                problem = str(error)
        if problem := trainer.strategy.broadcast(problem):  # else the others would wait for the main process
            raise InputError(problem)
        if stage != "fit":
            self._describe()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """RunRecord has written its files, and RunMonitor has taken out the rows after the checkpoint."""
        self._describe()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the last validation."""
        self._report(trainer, pl_module, "val")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report a validation of its own."""
        if trainer.state.fn == "validate":
            self._report(trainer, pl_module, "validate")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report a test."""
        self._report(trainer, pl_module, "test")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report predictions."""
        self._report(trainer, pl_module, "predict")

    def _begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]  # as above
        names = labels(
            self._folder,
            encoder=type(getattr(pl_module, "encoder", pl_module)).__name__,
            dataset=type(data).__name__,
            seed=getattr(data, "seed", None),
            fold=getattr(data, "fold", None),
        )
        run, said = start(self._folder, names, **self._options)
        print(said, flush=True)
        others = [logger for logger in trainer.loggers if not isinstance(logger, WandbLog)]
        if run is not None:
            self._log = WandbLog(self._folder, run)
            others.append(self._log)
        trainer.loggers = others

    def _describe(self) -> None:
        """Config and versions of the run, and what a process before could not log."""
        if self._log is None:
            return
        if (self._folder / CONFIG).exists():
            self._log.log_hyperparams(read_config(self._folder))
        if (self._folder / VERSIONS).exists():
            self._log.log_hyperparams({"versions": read_versions(self._folder)})
        self._log.catch_up()

    def _report(self, trainer: Trainer, pl_module: LightningModule, part: str) -> None:
        if self._log is None or not isinstance(pl_module, ClipModel) or pl_module.scored is None:
            return
        source = trainer.datamodule  # type: ignore[attr-defined]  # as in `setup`
        clips = [clip.clip_id for clip in source.clips]
        evaluation = pl_module.evaluation if part in ("validate", "test") else None
        table = evaluation.table if evaluation else clip_table(pl_module.scored, pl_module.predictions)
        content = {"predictions": _table(clip_rows(table, source).to_pydict())}
        if part != "predict":
            content |= _pictures(pl_module, evaluation or _evaluate(pl_module, table, source), clips, source, part)
        self._log.log_metrics({f"{part}/{key}": value for key, value in content.items()}, step=trainer.global_step)


def _evaluate(model: ClipModel, table: ClipTable, source: Any) -> Evaluation:
    """The evaluation of a validation in training, of which only rho was asked: without the trivial predictors."""
    return evaluate_table(
        table,
        headline=source.headline,
        action_names=source.action_names,
        uncalibrated=[scorer.name for scorer in cast(list[ClipScorer], model.scorers) if not scorer.calibrated],
        synthetic=source.synthetic,
    )


def _pictures(model: ClipModel, evaluation: Evaluation, clips: Sequence[str], source: Any, part: str) -> dict[str, Any]:
    import wandb

    from drawing.embedding_plane import embedding_figure, project  # matplotlib: seconds that training does without
    from drawing.evaluation_figure import evaluation_figure
    from drawing.extremes import extremes_figure
    from drawing.pictures import pixels

    scored, actions = model.scored, source.action_names
    assert scored is not None
    projection = project(scored)
    track, moments = projection.track, scored.embedding.shape[1]
    columns: dict[str, list[Any]] = {
        "clip": [clips[i] for i in scored.clip.cpu()[track].tolist()],
        "action": [actions[i] for i in scored.action.cpu()[track].tolist()],
        "score": _numbers(scored.score.cpu()[track].tolist()),
        "time": [(time + 0.5) / moments for time in projection.time.tolist()],
        "x": projection.points[:, 0].tolist(),
        "y": projection.points[:, 1].tolist(),
    }
    return {
        **_scatters(evaluation, source),
        "figure": wandb.Image(pixels(evaluation_figure(evaluation, scored, actions, part))),
        "pairs": wandb.Image(pixels(extremes_figure(scored, clips, actions))),
        "embedding": wandb.Image(pixels(embedding_figure(projection, scored, actions))),
        "embedding_table": _table(columns),
    }


def _scatters(evaluation: Evaluation, source: Any) -> dict[str, Any]:
    """Prediction of the first scorer against the score, a chart an action, of the actions that `figure` shows."""
    import wandb

    from drawing.evaluation_figure import PANELS

    name, actions = evaluation.rows[0].name, source.action_names
    rows = clip_rows(evaluation.table, source).to_pylist()
    rows = [row for row in rows if row["score"] is not None and row[name] is not None]
    counts = Counter(row["action"] for row in rows)
    charts = {}
    largest = sorted(counts, key=lambda action: (-counts[action], actions.index(action)))[:PANELS]
    for action in sorted(largest, key=actions.index):
        own = {key: [row[key] for row in rows if row["action"] == action] for key in ("clip", "score", name)}
        charts[f"scatter/{action}"] = wandb.plot.scatter(_table(own), "score", name, title=action)
    return charts


def _table(columns: dict[str, list[Any]]) -> Any:
    import wandb

    return wandb.Table(columns=list(columns), data=[list(row) for row in zip(*columns.values(), strict=True)])


def _numbers(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
