"""What the runs in a folder were trained with, so that a later start cannot mix them with others."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import InputError, quoted, shortened
from files import write_atomically

FILE = "ablation.json"


@dataclass(frozen=True)
class Options:
    """What a variant is trained with.

    Attributes:
        variant: its name.
        values: every option by dotted key, defaults included.
    """

    variant: str
    values: Mapping[str, Any]


def keep_to_options(folder: Path, title: str, variants: Mapping[str, Options]) -> None:
    """Note what an ablation's variants are trained with; refuse what differs from the runs that are there.

    An option that the program has learnt since then, or forgotten, is no difference.

    Args:
        folder: of the ablation.
        title: of the ablation.
        variants: by the name of their folder.

    Raises:
        InputError: the folder is another ablation's, or a variant with runs was trained otherwise.
    """
    path = folder / FILE
    known: dict[str, Any] = {}
    if path.is_file():
        try:
            content = json.loads(path.read_bytes())
            before, known = content["title"], dict(content["variants"])
            values = {  # earlier versions wrote keys with init_args
                name: {key.replace("init_args.", ""): value for key, value in dict(found["options"]).items()}
                for name, found in known.items()
            }
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: cannot be read ({error}); give another --output") from error
        if before != title:
            raise InputError(f"{folder}: holds the ablation {quoted(before)}, not {title!r}; give another --output")
        for name, options in variants.items():
            if name in values and (folder / name).is_dir():
                _compare(folder / name, values[name], options)
    known |= {name: {"variant": options.variant, "options": options.values} for name, options in variants.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"title": title, "variants": known}, indent=1) + "\n")


def _compare(folder: Path, before: Mapping[str, Any], now: Options) -> None:
    differing = [key for key in before if key in now.values and before[key] != now.values[key]]
    if differing:
        key = differing[0]
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        raise InputError(
            f"{folder}: its runs have {key} = {_said(before[key])}, now it is "
            f"{_said(now.values[key])}{more}; give the same options for {quoted(now.variant)}, another name or another "
            "--output"
        )


def _said(value: Any) -> str:
    return shortened(value if isinstance(value, str) else json.dumps(value))
