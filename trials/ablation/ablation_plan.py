"""From the files of ablations to rows that are known to be sound: every option parsed, every model built once."""

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cli.config_files import find_config, on_the_line, short
from cli.fit_options import FitOptions
from errors import InputError, quoted
from settings import read_yaml
from trials.ablation.grid import SEED, Ablation, Variant, read_ablation
from trials.shared import Options, Row


@dataclass(frozen=True)
class Plan:
    """An ablation, and what its variants amount to.

    Attributes:
        path: its file.
        ablation: what the file says, with what the command line puts in its place.
        more: further options of `fit`, for every variant.
        options: by the variant's folder.
        prefix: of the names of its trials: its folder in that of several ablations.
    """

    path: Path
    ablation: Ablation
    more: Sequence[str]
    options: Mapping[str, Options]
    prefix: str

    def rows(self) -> Iterator[tuple[Row, Hashable]]:
        """Every trial, seed by seed and fold by fold, and what tells its model from others."""
        columns = [self.ablation.trials(variant, self.more) for variant in self.ablation.variants]
        for row in zip(*columns, strict=True):
            for variant, trial in zip(self.ablation.variants, row, strict=True):
                place = {key: value for key, value in trial.labels.items() if key != "variant"}
                key = json.dumps([self.options[variant.folder].values, place], sort_keys=True)
                yield Row(self.ablation.title, replace(trial, name=self.prefix + trial.name)), key


def plans_of(
    names: Sequence[str], base: Sequence[str] | None, seeds: int | None, more: Sequence[str], output: Path
) -> list[Plan]:
    """Read ablations and check them: nothing is to fail hours later that can be known now.

    Args:
        names: their files.
        base: configs of `fit` in place of those in the files.
        seeds: how many, in place of those in the files.
        more: further options of `fit`, for every variant.
        output: folder of the runs.

    Raises:
        InputError: a file is wrong or there twice, an option or value is refused, or the data are not to be had.
    """
    paths = [find_config(name) for name in names]
    reader = FitOptions()
    plans: list[Plan] = []
    prepared: set[str] = set()
    for path in paths:
        if [one.stem for one in paths].count(path.stem) > 1:
            raise InputError(f"{path}: {path.stem!r} is given twice; give every ablation once, by names that differ")
        ablation = read_ablation(read_yaml(path), str(path))
        prefix = f"{path.stem}/" if len(paths) > 1 else ""
        ablation = replace(
            ablation,
            base=ablation.base if base is None else tuple(base),
            seeds=seeds or ablation.seeds,
            runs=str((output / prefix).parent),
        )
        if not ablation.base:
            raise InputError(f"{path}: no base; write 'base: [speed21.yaml]' into it, or give --base speed21.yaml")
        _check_more(ablation, more, path)
        plain = reader.parse(ablation.arguments(replace(ablation.variants[0], configs=(), options={}), more))
        if base is not None:
            known = {short(key) for key in reader.flat(plain)}
            ablation = replace(ablation, folds=_known_folds(ablation, known, path))
        options = {
            variant.folder: Options(variant.name, _checked(reader, ablation, variant, more, path, prepared))
            for variant in ablation.variants
        }
        plans.append(Plan(path, ablation, more, options, prefix))
    return plans


def _check_more(ablation: Ablation, more: Sequence[str], path: Path) -> None:
    """Refuse options of the command line that the ablation varies."""
    written = {item.key for item in on_the_line(more)}
    varied = {SEED: "`--seeds` says how many"}
    varied |= {short(key): "the folds go through it" for key in ablation.folds}
    varied |= {
        short(key): f"variant {variant.name!r} sets it" for variant in ablation.variants for key in variant.options
    }
    for key in sorted(written & varied.keys()):
        raise InputError(f"command line: {key} cannot be given for every variant of {path}: {varied[key]}")


def _known_folds(ablation: Ablation, known: set[str], path: Path) -> dict[str, Sequence[Any]]:
    """The folds' options that another base has too; of the others it is said that they are left out."""
    for key in ablation.folds:
        if short(key) not in known:
            print(f"{path}: {key} is no option of {', '.join(ablation.base)}; there are no folds by it", flush=True)
    return {key: values for key, values in ablation.folds.items() if short(key) in known}


def _checked(
    reader: FitOptions, ablation: Ablation, variant: Variant, more: Sequence[str], path: Path, prepared: set[str]
) -> dict[str, Any]:
    """All options of a variant; its data are prepared unless they are in `prepared`, to which they are added."""
    try:
        config = reader.parse(ablation.arguments(variant, more))
        _, data = reader.build(config)
        if ablation.folds and variant is ablation.variants[0]:
            for place in ablation.places():
                reader.build(reader.parse(ablation.arguments(variant, more, place)))
    except InputError as error:
        where = f"{path}: variant {quoted(variant.name)}"
        raise InputError(f"{where}: {str(error).removeprefix('command line: ')}") from error
    values = {key: value for key, value in reader.flat(config).items() if key != SEED}
    source = json.dumps({key: value for key, value in values.items() if key.startswith("data.")})
    if source not in prepared:
        data.prepare_data()  # once, before several processes want to
        prepared.add(source)
    return values
