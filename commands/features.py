"""`python run.py features --config aqa7.yaml`: from a dataset's videos to a cache of clip features."""

import json
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from cli.config_files import CONFIGS
from cli.media_options import add_dataset_and_places, build_dataset, build_trainer, source_name, without_placement
from cli.parse_errors import Parser
from errors import InputError
from extraction.features.feature_ledger import FeatureLedger
from extraction.features.feature_pipeline import FeaturePipeline
from extraction.features.windows import Windows
from extraction.filling import fill
from extraction.types import Extractor
from poses.cache.feature_cache import FeatureProvenance
from settings import build, read_yaml

CACHES = Path("data", "features")
TPT_WINDOWS = 20


def run(arguments: Sequence[str]) -> int:
    """Fill a feature cache: 0 if every clip is in it, 1 if some could not be read or were left out."""
    parser = _parser()
    config = parser.parse_args(list(arguments[1:]))
    data = build_dataset(config)
    source = source_name(data)
    clips, rejected = list(data.media()), list(data.rejected)
    if not clips:
        raise InputError(f"{source}: no clip to look at; see `python run.py features --help`")
    trainer = build_trainer(config.trainer, "features")
    pipeline = _pipeline(config)  # after the media: networks take their time
    provenance = _provenance(parser, config, pipeline, source)
    network = re.sub(r"[^a-z0-9]+", "_", pipeline.extractor.name.lower()).strip("_")
    output = CACHES / f"{source}_{network}" if config.output is None else Path(config.output)
    if os.path.realpath(output) == os.path.realpath(data.cache):
        raise InputError(f"{output}: is the keypoint cache; give the features a folder of their own (--output)")
    ledger = FeatureLedger(output, provenance)
    summary = fill(trainer, pipeline, ledger, clips, ledger.left(clips, "--output"), rejected)
    if summary is None:
        return 0
    if summary["done"] or summary["skipped"]:
        print(f"train on them: {_training(ledger, pipeline)}")
    return 1 if summary["failed"] or rejected else 0


def _parser() -> Parser:
    parser = Parser(
        prog="run.py features",
        description="Make the clip features of a dataset's videos (docs/clip-features.md): a pretrained network looks "
        "at windows of frames. Finished clips are passed over, so an interrupted run goes on where it was; several "
        "processes may fill one cache. Ends with exit code 1 if a clip could not be read or was left out.",
        default_config_files=[str(CONFIGS / "features.yaml")],
    )
    parser.add_argument("--extractor", type=Extractor, required=True, help="which network looks at the windows")
    parser.add_class_arguments(Windows, "windows", instantiate=False)
    parser.add_argument(
        "--output", type=str | None, default=None, help="folder of the cache; data/features/<dataset>_<network> if none"
    )
    add_dataset_and_places(parser)
    return parser


def _pipeline(config: Namespace) -> FeaturePipeline:
    """The pipeline of `--windows` and `--extractor`.

    Raises:
        InputError: they refuse their options, or do not go together.
    """
    windows: Windows = build(Windows, config.windows)
    return FeaturePipeline(build(Extractor, config.extractor), windows)


def _provenance(parser: Parser, config: Namespace, pipeline: FeaturePipeline, source: str) -> FeatureProvenance:
    """How a pipeline makes features, for the metadata of a clip."""
    chosen = parser.plain(config)
    settings = {"extractor": without_placement(chosen["extractor"]), "windows": chosen["windows"]}
    extractor = pipeline.extractor
    return FeatureProvenance(
        source=source,
        extractor=f"{extractor.name} ({extractor.weights.name})",
        weights_sha256=extractor.weights.sha256,
        weights_licence=extractor.weights.licence,
        settings=json.dumps(settings, sort_keys=True),
    )


def _training(ledger: FeatureLedger, pipeline: FeaturePipeline) -> str:
    """The command that trains a head on the cache: TPT on its own windows, CoRe on others."""
    source = ledger.provenance.source
    dataset = "keypoint_folder" if source == "media_folder" else source  # scores of one's own lie in a table there
    found = {"windows": len(pipeline.windows.starts), "width": pipeline.extractor.width}
    overlay = "tpt_features.yaml" if found["windows"] == TPT_WINDOWS else "core_features.yaml"
    expected = read_yaml(CONFIGS / overlay)["model"]["init_args"]["source"]["init_args"]
    other = [f"--model.source.{key} {value}" for key, value in found.items() if value != expected[key]]
    folder = f"--data.features {shlex.quote(str(ledger.cache))}"
    return " ".join(["python run.py fit", f"--config {dataset}.yaml", f"--config {overlay}", *other, folder])
