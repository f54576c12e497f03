"""The commands of run.py, one file each; nothing here may import anything heavy."""

import argparse
from dataclasses import dataclass
from typing import Any, NoReturn

from errors import one_line

LIGHT = "make demo, then source .venv/bin/activate (or pip install -r requirements-light.txt)"
POSE = LIGHT.replace("demo", "pose").replace("light.txt", "light.txt -r requirements-pose.txt")
FULL = "pip install -r requirements.txt, in an environment of its own"


@dataclass(frozen=True)
class Command:
    """A word after `python run.py`.

    Attributes:
        module: imported when the command is used. Its `run(arguments)` gets the words after `run.py`, the command's
            name first, and returns the exit code: 0, or 1 if a part of the work failed; an `InputError` ends it with 2.
        summary: a line for `python run.py --help`.
        install: how to install the packages that it needs.
    """

    module: str
    summary: str
    install: str = LIGHT


class OptionParser(argparse.ArgumentParser):
    """Reads the options of a command; complains in one line, and takes no abbreviation for an option."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """End the process with exit code 2 and one line on standard error."""
        self.exit(2, f"error: {one_line(message)}; python {self.prog} --help tells what there is\n")


COMMANDS = {
    "fit": Command("commands.fit", "train a model on cached keypoints"),
    "validate": Command("commands.fit", "evaluate a checkpoint on the validation part"),
    "test": Command("commands.fit", "evaluate a checkpoint on the test part"),
    "predict": Command("commands.fit", "score clips that have no score"),
    "demo": Command("commands.demo", "train, test and draw on synthetic poses, two minutes at most"),
    "ablate": Command("commands.ablate", "train, test and compare named variants over seeds and folds"),
    "sweep": Command("commands.sweep", "search for good options of fit, as a W&B sweep file says"),
    "pool": Command("commands.pool", "one table from the test predictions of several runs (folds, sports)"),
    "report": Command("commands.report", "one page with tables and figures on many runs"),
    "score": Command("commands.score", "how close a pose or performance is to a reference, and where it differs", POSE),
    "extract": Command("commands.extract", "make a keypoint cache from videos and photographs", POSE),
    "features": Command("commands.features", "make a cache of clip features from videos, for CoRe and TPT", POSE),
    "check": Command("commands.check", "check a keypoint cache, clip by clip"),
    "export": Command("commands.export", "export the encoder of a checkpoint to ONNX"),
    "train-detector": Command("commands.train_detector", "fine-tune a detector of ultralytics to persons", FULL),
    "new": Command("commands.new", "begin a new dataset, encoder, scorer or estimator"),
    "skeleton": Command("commands.skeleton", "draw the 15 joints and 14 bones"),
}
