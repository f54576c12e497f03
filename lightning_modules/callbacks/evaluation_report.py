"""What validation, test and prediction leave behind: a table on screen, and files in the run's folder."""

from lightning import Callback, LightningModule, Trainer
from rich.console import Console

from lightning_modules.clip_model import ClipModel
from run_folder.folder import folder_of
from run_folder.history import rho_of
from run_folder.layout import EVALUATION, FIGURE, PAIRS, PREDICTIONS
from scoring.evaluation import clip_table


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
        from run_folder.results import write_predictions  # see `_report`

        table = clip_table(pl_module.scored, pl_module.predictions)
        path = write_predictions(folder, "predict", table, trainer.datamodule)  # type: ignore[attr-defined]  # not declared
        Console().print(f"{len(table.clip)} clips scored: [bold]{path}[/]")

    def _report(self, trainer: Trainer, pl_module: LightningModule, name: str) -> None:
        run = folder_of(trainer)
        if not trainer.is_global_zero or not isinstance(pl_module, ClipModel) or pl_module.evaluation is None:
            return
        from drawing.evaluation_figure import evaluation_figure  # with matplotlib: seconds that training does without
        from drawing.evaluation_table import print_table
        from drawing.pictures import save_figure
        from run_folder.results import write_results

        evaluation = pl_module.evaluation
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer, not declared
        folder = write_results(run, name, pl_module, data)
        rhos = {rho_of(row.name, name): row.rho for row in evaluation.rows if row.rho is not None}
        for logger in trainer.loggers:
            logger.log_metrics({**rhos, f"{name}/collapsed": float(pl_module.collapsed)}, step=trainer.global_step)
        print_table(evaluation, name, pl_module.collapsed)
        assert pl_module.scored is not None
        save_figure(evaluation_figure(evaluation, pl_module.scored, data.action_names, name), folder / FIGURE)
        Console().print(f"{EVALUATION}, {PREDICTIONS}, {PAIRS} and {FIGURE}: [bold]{folder}[/]")
