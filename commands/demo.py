"""`python run.py demo`: train, test and draw on synthetic poses, then say how to read the result."""

from collections.abc import Sequence
from pathlib import Path

from commands import OptionParser

CONFIG = "demo.yaml"


def run(arguments: Sequence[str]) -> int:
    """Fit configs/demo.yaml, test its best checkpoint, print the tables and where the picture is."""
    parser = OptionParser(
        prog="run.py demo",
        description="Train GCN-PSN on synthetic poses that are made on the spot (data/demo), test it, and end with a "
        "table and a picture; about a minute on two cores.",
        epilog="Other options go to `fit` and `test`, for example --seed_everything 1 or --data.clips 1200.",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("runs"), help="folder of the runs; the demo's is in demo/ (%(default)s)"
    )
    options, others = parser.parse_known_args(arguments[1:])

    from cli.pose_cli import train
    from run_folder.layout import BEST, FIGURE, versions

    words = ["--config", CONFIG, "--trainer.enable_model_summary", "false", *others]
    # whole paths: Lightning warns about checkpoints that seem to have moved
    words += ["--trainer.logger.save_dir", str(options.folder.resolve())]
    train(["fit", *words])
    _, folder = versions(options.folder / Path(CONFIG).stem)[-1]
    train(["test", *words, "--ckpt_path", str(folder / BEST)])
    print(
        f"\nThe picture: {folder / 'test' / FIGURE}\n"
        "How to read this: the data are synthetic; rho is 1 for a predictor that ranks the clips of an action as their "
        "scores do and\n0 for chance, and the model (reference, vote, ridge) is worth its training only where it beats "
        "the trivial predictors below it."
    )
    return 0
