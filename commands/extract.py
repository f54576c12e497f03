"""`python run.py extract --config aqa7.yaml`: from a dataset's videos and photographs to its keypoint cache."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2

from cli.config_files import CONFIGS
from cli.media_options import (
    add_dataset_and_places,
    build_dataset,
    build_pipeline,
    build_trainer,
    pose_parser,
    provenance,
    source_name,
)  # fmt: skip
from drawing.contact_sheet import StripBuilder, contact_sheet
from errors import InputError
from extraction.filling import fill
from extraction.ledger import Ledger
from extraction.reading.media import ClipMedia
from extraction.reading.photographs import read_image

STRIPS = 24
"""Clips on a contact sheet at the most."""


def run(arguments: Sequence[str]) -> int:
    """Fill a keypoint cache: 0 if every clip is in it, 1 if some could not be extracted or were left out."""
    parser = pose_parser(
        "extract",
        "Extract the keypoints of a dataset's videos and photographs into its keypoint cache "
        "(docs/keypoint-cache.md). Finished clips are passed over, so an interrupted extraction goes on where it was; "
        "several processes may fill one cache. Ends with exit code 1 if a clip could not be extracted or was left out.",
        [str(CONFIGS / "extract.yaml")],
    )
    add_dataset_and_places(parser)
    config = parser.parse_args(list(arguments[1:]))
    data = build_dataset(config)
    source = source_name(data)
    clips, rejected = list(data.media()), list(data.rejected)
    if not clips:
        raise InputError(f"{source}: no clip to extract; see `python run.py extract --help`")
    pipeline = build_pipeline(config)  # after the media: networks take their time
    ledger = Ledger(data.cache, provenance(parser, config, pipeline, source))
    left = ledger.left(clips, "--data.cache")
    trainer = build_trainer(config.trainer, "extract")
    summary = fill(trainer, pipeline, ledger, clips, left, rejected, sketch=StripBuilder)
    if summary is None:
        return 0
    for path in _sheets(ledger, clips):
        print(f"contact sheet: {path}")
    return 1 if summary["failed"] or rejected else 0


def _sheets(ledger: Ledger, clips: list[ClipMedia]) -> Iterator[Path]:
    """Write a contact sheet of skeletons per action."""
    for action in sorted({clip.action for clip in clips}):
        pictures = [path for clip in clips if clip.action == action and (path := ledger.picture(clip)).exists()]
        if not pictures:
            continue
        shown = pictures[:: -(-len(pictures) // STRIPS)]
        strips = [read_image(path) for path in shown]
        sheet = contact_sheet(strips, action, len(pictures) - len(shown))
        name = re.sub(r"[^\w. -]", "_", action).strip(". ") or "clips"
        yield ledger.keep(f"{name}.png", bytes(cv2.imencode(".png", sheet[..., ::-1])[1]))
