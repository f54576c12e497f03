"""A config laid over others that names a class gives that class's own defaults, not what another class had."""

import itertools
import re
from functools import cache
from typing import Any

import pytest
import yaml
from jsonargparse import Namespace

from cli.config_files import CONFIGS, KEPT
from cli.fit_options import FitOptions
from cli.media_options import add_dataset_and_places, pose_parser

CONTENT = {path.name: yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.glob("*.yaml"))}
ENCODERS = "lightning_modules.encoders"
FOURIER = f"{ENCODERS}.FourierEncoder"


def classes(tree: Any, key: str = "") -> dict[str, str]:
    """The classes that a config names, by key."""
    if not isinstance(tree, dict):
        return {}
    found = {key: tree["class_path"]} if "class_path" in tree else {}
    for name, value in tree.items():
        found |= classes(value, f"{key}.{name}".lstrip("."))
    return found


SHARED = ("trainer.yaml", "features.yaml", "mvit.yaml", "s3d.yaml")  # below all others; extractors have own tests
NAMED = {name: classes(content) for name, content in CONTENT.items() if name not in SHARED}
PAIRS = [
    (one, other, keys)
    for one, other in itertools.permutations(NAMED, 2)
    if ("data" in NAMED[one]) is ("data" in NAMED[other])  # a dataset comes first, and overlays over it
    if (keys := [key for key in NAMED[one].keys() & NAMED[other].keys() if NAMED[one][key] != NAMED[other][key]])
]


def below(name: str) -> tuple[str, ...]:
    """What an overlay is laid over: nothing, a dataset, or a dataset and CoRe."""
    keys = NAMED[name].keys()
    if "data" in keys or not any(key.startswith("model") for key in keys):
        return ()
    over_core = "model" not in keys and any(key.endswith((".source", ".head")) for key in keys)
    return ("demo.yaml", "core.yaml") if over_core else ("demo.yaml",)


@pytest.fixture(scope="module")
def options() -> FitOptions:
    return FitOptions()


def own(config: Namespace, key: str) -> dict[str, Any]:
    """The arguments at a key, but for what is kept on purpose and for classes, which have keys of their own."""
    found = config[key]
    arguments = found.init_args.items() if "init_args" in found else ()
    other = re.compile("|".join([*KEPT, r".*\b(init_args|class_path)\b"]))
    return {"class_path": found.class_path} | {name: value for name, value in arguments if not other.match(name)}


def test_every_shipped_overlay_over_every_other(options: FitOptions) -> None:
    extraction = pose_parser("extract", "", [str(CONFIGS / "extract.yaml")])
    add_dataset_and_places(extraction)

    @cache
    def parsed(*names: str) -> Namespace:
        words = [f"--config={name}" for name in names]
        words += ["--model.source.checkpoint=x"] if names[-1] == "trained_source.yaml" else []
        trains = not {"media_folder.yaml", "pose"} & {*names, *CONTENT[names[-1]]}
        return options.parse(words) if trains else extraction.parse_args(words)

    assert len(PAIRS) > 80
    for one, other, keys in PAIRS:
        alone = parsed(*below(other), other)
        over = parsed(*max(below(one), below(other), key=len), one, other)
        for key in keys:
            assert own(over, key) == own(alone, key), (one, other, key)


def encoder(options: FitOptions, *words: str) -> dict[str, Any]:
    config = options.parse(["--config=demo.yaml", *words])
    found: dict[str, Any] = config.model.init_args.encoder.as_dict()
    return found


@pytest.mark.parametrize("name", ["MLPEncoder", "ResidualGCNEncoder"])
@pytest.mark.parametrize("option", ["--model.encoder", "--model.encoder.class_path"])
def test_a_class_named_on_the_command_line_has_its_own_defaults(name: str, option: str, options: FitOptions) -> None:
    assert encoder(options, "--config=best.yaml", f"{option}={ENCODERS}.{name}")["init_args"]["embedding"] == 50


def test_a_class_that_is_named_again_keeps_its_options(options: FitOptions) -> None:
    again = encoder(options, "--config=best.yaml", "--config=fourier.yaml", f"--model.encoder={FOURIER}")
    assert again == encoder(options, "--config=best.yaml")
    assert again["init_args"]["embedding"] == 2048


def test_scorers_stay_under_another_model(options: FitOptions) -> None:
    config = options.parse(["--config=finediving.yaml", "--config=core.yaml"])
    assert config.model.init_args.scorers[0].class_path == "scoring.vote.VoteScorer"
