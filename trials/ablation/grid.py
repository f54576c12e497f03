"""Ablations: from what a YAML file says to the trials it stands for."""

import difflib
import itertools
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errors import InputError, quoted, shortened
from run_folder.trial import Label, Trial
from settings import flatten
from trials.runner import LOCK, LOGS

KEYS = ("title", "base", "options", "seeds", "folds", "variants")
SEED = "seed_everything"


@dataclass(frozen=True)
class Variant:
    """One row of an ablation.

    Attributes:
        name: what tables call it.
        folder: its folder, made of the name.
        configs: overlays, in their order.
        options: options of `run.py fit` by dotted key, as they are written on the command line; those that the file
            gives to all variants among them.
    """

    name: str
    folder: str
    configs: tuple[str, ...]
    options: Mapping[str, str]


@dataclass(frozen=True)
class Ablation:
    """Named variants x folds x seeds.

    Attributes:
        title: what reports call it.
        base: configs of `run.py fit` that every variant starts from.
        seeds: how many; they are 0, 1, 2, ...
        folds: values of options by dotted key; their product is trained of every variant and seed.
        variants: at least one; differences are from the first.
        runs: folder that its own folder lies in. In an option's value `{runs}` stands for it, and `{trial}` for the
            name of the trial without the variant: a model can take the checkpoint of another one of the same seed and
            fold, `{runs}/table2/mlp_baseline/{trial}/checkpoints/best.ckpt`.
    """

    title: str
    base: tuple[str, ...]
    seeds: int
    folds: Mapping[str, Sequence[Any]]
    variants: tuple[Variant, ...]
    runs: str = ""

    def places(self) -> list[dict[str, Any]]:
        """Every combination of the folds' values, by option; one without options where there are no folds."""
        return [dict(zip(self.folds, values, strict=True)) for values in itertools.product(*self.folds.values())]

    def arguments(
        self, variant: Variant, more: Sequence[str] = (), place: Mapping[str, Any] | None = None, seed: int = 0
    ) -> list[str]:
        """Options of `run.py fit` for a variant in one of the `places`, without the seed.

        Args:
            variant: which.
            more: further options, of every variant: they overrule the configs.
            place: values of the folds' options.
            seed: that `{trial}` in an option stands for.
        """
        configs = [f"--config={name}" for name in (*self.base, *variant.configs)]
        trial = _trial_name(seed, self.places()[0] if place is None else place)
        own = [
            f"--{key}={value.replace('{runs}', self.runs).replace('{trial}', trial)}"
            for key, value in variant.options.items()
        ]
        return [*configs, *more, *own, *(f"--{key}={word(value)}" for key, value in (place or {}).items())]

    def trials(self, variant: Variant, more: Sequence[str] = ()) -> list[Trial]:
        """Every seed and fold of a variant, named `<variant>/seed_0_fold_1`."""
        return [
            Trial(
                name=f"{variant.folder}/{_trial_name(seed, place)}",
                arguments=(*self.arguments(variant, more, place, seed), f"--{SEED}={seed}"),
                labels={"variant": variant.name, "seed": seed, **{key: _label(place[key]) for key in place}},
            )
            for seed in range(self.seeds)
            for place in self.places()
        ]


def read_ablation(content: Any, where: str) -> Ablation:
    """What a YAML file of an ablation says.

    Args:
        content: what is in it.
        where: the file, for error messages.

    Raises:
        InputError: a key is unknown or missing, a value is of another kind, or two variants share a folder.
    """
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected keys such as 'base:' and 'variants:'")
    for key in content:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"an ablation has {', '.join(KEYS)}"
            raise InputError(f"{where}: no such key {quoted(str(key))}; {hint}")
    title = content.get("title")
    if not isinstance(title, str) or not title.strip():
        raise InputError(f"{where}: title is {_said(title)}, expected text such as 'Table II'")
    seeds = content.get("seeds", 1)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InputError(f"{where}: seeds is {_said(seeds)}, expected how many, 1 or more")
    folds = _folds(content.get("folds", {}), where)
    common = _options(content.get("options", {}), f"{where}: options", folds)
    return Ablation(
        title=title.strip(),
        base=_configs(content.get("base", []), "base", where),
        seeds=seeds,
        folds=folds,
        variants=_variants(content.get("variants"), common, folds, where),
    )


def word(value: Any) -> str:
    """A value of YAML as it is written on the command line."""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def slug(name: str) -> str:
    """A name as that of a folder: lower-case letters a to z, digits, points and underscores."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.]+", "_", plain.lower()).strip("._")


def _folds(found: Any, where: str) -> dict[str, list[Any]]:
    if not isinstance(found, dict):
        raise InputError(f"{where}: folds is {_said(found)}, expected options with their values: {{data.fold: [0, 1]}}")
    for key, values in found.items():
        _check_option(key, f"{where}: folds")
        if not isinstance(values, list) or not values:
            raise InputError(f"{where}: folds: {key} is {_said(values)}, expected a list of values such as [0, 1, 2]")
        if len({_place_name((key, value)) for value in values}) < len(values):
            raise InputError(f"{where}: folds: {key} has a value twice, or two that make one folder: {_said(values)}")
    return dict(found)


def _variants(found: Any, common: Mapping[str, str], folds: Mapping[str, Any], where: str) -> tuple[Variant, ...]:
    if not isinstance(found, dict) or not found:
        raise InputError(
            f"{where}: variants is {_said(found)}, expected names with options: {{wide: {{model.margin: 0.7}}}}"
        )
    variants: list[Variant] = []
    taken = {LOCK: "the lock", LOGS: "the logs"}
    for name, content in found.items():
        variant = _variant(str(name), {} if content is None else content, common, folds, where)
        if variant.folder in taken:
            raise InputError(
                f"{where}: the folder of variant {quoted(variant.name)} would be {quoted(variant.folder)}, as that of "
                f"{taken[variant.folder]}; rename the variant"
            )
        taken[variant.folder] = repr(variant.name)
        variants.append(variant)
    return tuple(variants)


def _variant(name: str, content: Any, common: Mapping[str, str], folds: Mapping[str, Any], where: str) -> Variant:
    place = f"{where}: variant {quoted(name)}"
    if not slug(name):
        raise InputError(f"{place}: its name makes no folder name; give it letters a to z or digits")
    own = {key: value for key, value in content.items() if key != "config"} if isinstance(content, dict) else content
    options = {**common, **_options(own, place, folds)}
    return Variant(name, slug(name), _configs(content.get("config", []), "config", place), options)


def _options(found: Any, place: str, folds: Mapping[str, Any]) -> dict[str, str]:
    """Options by dotted key, as on the command line."""
    if not isinstance(found, dict):
        raise InputError(f"{place} is {_said(found)}, expected options such as {{model.margin: 0.7}}")
    options = {key: word(value) for key, value in flatten(found).items()}
    for key in options:
        _check_option(key, place)
        if key in folds:
            raise InputError(f"{place}: {key} is what the folds go through; leave it out here")
    return options


def _check_option(key: Any, place: str) -> None:
    if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*\+?", key):
        raise InputError(f"{place}: {quoted(str(key))} is no option; write options as model.margin, without dashes")
    if key == SEED:
        raise InputError(f"{place}: {SEED} is counted up by `seeds`; leave it out")


def _configs(found: Any, key: str, place: str) -> tuple[str, ...]:
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"{place}: {key} is {_said(found)}, expected names of configs such as [mlp.yaml]")
    return tuple(names)


def _trial_name(seed: int, place: Mapping[str, Any]) -> str:
    return "_".join([f"seed_{seed}", *map(_place_name, place.items())])


def _place_name(item: tuple[str, Any]) -> str:
    key, value = item
    return f"{key.rpartition('.')[2]}_{re.sub(r'[^A-Za-z0-9.-]+', '_', word(value)).strip('_.')}"


def _label(value: Any) -> Label:
    return value if value is None or isinstance(value, str | int | float | bool) else word(value)


def _said(value: Any) -> str:
    """A value for an error message, not too long of it."""
    if value is None:
        return "missing"
    return quoted(value) if isinstance(value, str) else shortened(word(value))
