"""Which runs belong together: one dataset and protocol, one campaign, one variant, its seeds and test parts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from run_folder.runs import FOLD, SEED, Run
from run_folder.trial import Label

Part = tuple[str, ...]
"""The clips of a test part."""

PROTOCOL = ("folds", "split", "events_seed", "test_share", "labels_csv", "clips", "generator_seed")
"""Options of data modules that decide which clips there are and which of them are tested on."""

BY_HAND = "Runs by hand"
"""Title of the runs that belong to no sweep or ablation."""

_NOT_THE_MODEL = ("root", "cache", "fold", "media", "labels_csv")


@dataclass(frozen=True)
class Variant:
    """Runs that differ in seed and test part alone.

    Attributes:
        name: what tables call it.
        runs: all of them, failed ones too.
        seeds: the runs that can be compared, one a test part, in the order of `parts`, for every complete seed.
        parts: the test parts that every complete seed has; with several, they are folds.
        repeated: runs that repeat another's seed and test part; the newest one counts.
        incomplete: seeds that lack a test part others have.
    """

    name: str
    runs: Sequence[Run]
    seeds: Sequence[Sequence[Run]]
    parts: Sequence[Part]
    repeated: int = 0
    incomplete: int = 0

    @property
    def collapsed(self) -> int:
        """How many of the compared runs are collapsed as tested."""
        return sum(run.collapsed for seed in self.seeds for run in seed)

    @property
    def compared(self) -> list[Run]:
        """The compared runs."""
        return [run for seed in self.seeds for run in seed]


@dataclass(frozen=True)
class Campaign:
    """The variants of a sweep or ablation, the one that differences are taken from first."""

    title: str
    kind: str
    variants: Sequence[Variant]

    @property
    def runs(self) -> list[Run]:
        """Every run of every variant."""
        return [run for variant in self.variants for run in variant.runs]

    @property
    def tested(self) -> list[Variant]:
        """The variants with something to compare."""
        return [variant for variant in self.variants if variant.seeds]


@dataclass
class DatasetRuns:
    """The runs whose tests can stand in one table.

    Attributes:
        dataset: name of the data module's class.
        protocol: options that decide the test parts.
        runs: all of them.
        labels: true score by clip, and action.
        parts: the test parts.
    """

    dataset: str
    protocol: Mapping[str, Any]
    runs: list[Run] = field(default_factory=list)
    labels: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    parts: dict[Part, None] = field(default_factory=dict)

    def takes(self, run: Run) -> bool:
        """Whether the run's test part is one of those here or disjoint from all of them, and labelled alike."""
        if run.result is None:
            return True
        part = tuple(run.result.clips)
        if part not in self.parts and any(clip in self.labels for clip in part):
            return False
        return all(self.labels.get(clip, label) == label for clip, label in _labels(run).items())

    def add(self, run: Run) -> None:
        """Take a run in."""
        self.runs.append(run)
        if run.result is not None:
            self.parts[tuple(run.result.clips)] = None
            self.labels |= _labels(run)


def by_dataset(runs: Iterable[Run]) -> list[DatasetRuns]:
    """Runs that can be compared, together, synthetic data last.

    A run that was never tested goes with its dataset's runs, or those of its campaign.
    """
    found: list[DatasetRuns] = []
    later: list[Run] = []
    ordered = sorted(runs, key=lambda run: (run.result is None, run.started, run.name))
    for run in ordered:
        if run.dataset is None:
            later.append(run)
            continue
        options = {key: run.options.get(f"data.{key}") for key in PROTOCOL}
        protocol = {key: value for key, value in options.items() if value is not None}
        here = [one for one in found if (one.dataset, one.protocol) == (run.dataset, protocol) and one.takes(run)]
        if not here:
            found.append(DatasetRuns(run.dataset, protocol))
        (here or found[-1:])[0].add(run)
    for run in later:
        title = run.record.campaign if run.record else None
        own = [one for one in found if any(other.record and other.record.campaign == title for other in one.runs)]
        if title is None or not own:
            own = [one for one in found if not one.dataset] or [DatasetRuns("", {})]
            found += [one for one in own if one not in found]
        own[0].add(run)
    return sorted(found, key=lambda one: any(run.result and run.result.metrics["synthetic"] for run in one.runs))


def campaigns(runs: Sequence[Run], reference: str | None = None) -> list[Campaign]:
    """The campaigns among runs of one dataset, and the runs by hand.

    Args:
        runs: of one dataset.
        reference: name of the variant that comes first; else the one that was started first.
    """
    titles: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        key = (run.record.campaign, run.record.kind) if run.record else (BY_HAND, "")
        titles.setdefault(key, []).append(run)
    found = []
    for (title, kind), own in titles.items():
        variants = _variants(own)
        variants.sort(key=lambda variant: (variant.name != reference, min(run.started for run in variant.runs)))
        found.append(Campaign(title, kind, variants))
    return sorted(found, key=lambda campaign: campaign.title == BY_HAND)


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all flat configs, in their order."""
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if any(config.get(key) != configs[0].get(key) for config in configs[1:])]


def short_key(key: str) -> str:
    """A dotted key as a reader sees it: model.encoder.channels as encoder channels."""
    return key.removeprefix("model.").removeprefix("data.").replace(".", " ").replace("_", " ")


def short_value(value: Any) -> str:
    """A value as a reader sees it: a class without its module."""
    if isinstance(value, list):
        return ", ".join(map(short_value, value)) or "none"
    if isinstance(value, Mapping):
        return str(value.get("class_path", value)).rpartition(".")[2]
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text.rpartition(".")[2] if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", text) else text


def model_options(run: Run) -> dict[str, Any]:
    """What of a run's flat config makes the model: all of `model`, and of `data` what is not the test part."""
    beside = {f"data.{key}" for key in (*_NOT_THE_MODEL, *PROTOCOL)}
    return {
        key: value for key, value in run.options.items() if key.startswith(("model.", "data.")) and key not in beside
    }


def _labels(run: Run) -> dict[str, tuple[Any, Any]]:
    assert run.result is not None
    columns = run.result.columns
    return dict(zip(columns["clip"], zip(columns["action"], columns["score"], strict=True), strict=True))


def _variants(runs: Sequence[Run]) -> list[Variant]:
    groups: dict[Any, list[Run]] = {}
    unnamed: dict[str, list[Run]] = {}
    for run in runs:
        labels = {key: value for key, value in run.labels.items() if key not in (*SEED, *FOLD)}
        if "variant" in labels:
            groups.setdefault(str(labels["variant"]), []).append(run)
        elif labels:
            name = ", ".join(f"{short_key(key)} {short_value(value)}" for key, value in labels.items())
            groups.setdefault(name, []).append(run)
        else:
            unnamed.setdefault(repr(sorted(model_options(run).items(), key=str)), []).append(run)
    configs = [model_options(own[0]) for own in unnamed.values()]
    keys = differing(configs) if configs else []
    for config, own in zip(configs, unnamed.values(), strict=True):
        name = _name(config, keys)
        while name in groups:
            name = f"{name} again"
        groups[name] = own
    return [_variant(name, own) for name, own in groups.items()]


def _name(config: Mapping[str, Any], keys: Sequence[str]) -> str:
    encoder = short_value(config.get("model.encoder.class_path", "no config"))
    more = [
        f"{short_key(key)} {short_value(config[key])}"
        for key in keys
        if key in config and not key.endswith("class_path")
    ]
    return ", ".join([encoder, *more])


def _variant(name: str, runs: Sequence[Run]) -> Variant:
    newest: dict[tuple[Label, Part], Run] = {}
    tested = [run for run in runs if run.result]
    for run in sorted(tested, key=lambda run: run.started if run.started != "~" else ""):
        assert run.result is not None
        newest[run.seed, tuple(run.result.clips)] = run
    by_seed: dict[Label, dict[Part, Run]] = {}
    for (seed, part), run in newest.items():
        by_seed.setdefault(seed, {})[part] = run
    most = max(by_seed.values(), key=len, default={})
    parts = sorted(most)
    # numbers first, in their order
    seeds = sorted(by_seed, key=lambda seed: (0, seed, "") if isinstance(seed, int | float) else (1, 0, str(seed)))
    complete = [seed for seed in seeds if set(by_seed[seed]) == set(parts)]
    return Variant(
        name=name,
        runs=runs,
        seeds=[[by_seed[seed][part] for part in parts] for seed in complete],
        parts=parts,
        repeated=len(tested) - len(newest),
        incomplete=len(by_seed) - len(complete),
    )
