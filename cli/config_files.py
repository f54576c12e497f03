"""Finding and reading config files, and what a command line says altogether."""

import argparse
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile  # type: ignore[attr-defined]  # it has no list of exports

from errors import InputError, quoted

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
BASE = CONFIGS / "trainer.yaml"

_LAYERS = ("init_args", "class_path", "dict_kwargs")  # may stand between a key and its parent, or be left out


def find_config(name: str) -> Path:
    """The config file `name`: a path, or the name of a file in configs/, with or without .yaml.

    Raises:
        InputError: there is none, or it is not a YAML file with keys.
    """
    for candidate in (Path(name), CONFIGS / name, CONFIGS / f"{name}.yaml"):
        if candidate.is_file():
            _compose(candidate)
            return candidate
    known = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml"))
    if Path(name).is_dir():
        raise InputError(f"config {name!r} is a folder; name a file in it, or one of {', '.join(known)}")
    near = difflib.get_close_matches(name, known, 1)
    plain = [one for one in known if "/" not in one]  # those of `fit`; ablations have a folder of their own
    hint = f"did you mean {near[0]!r}?" if near else f"configs/ has {', '.join(plain)}"
    raise InputError(f"no config {name!r}, here or in configs/; {hint}")


class ConfigFile(ActionConfigFile):
    """`--config aqa7.yaml` finds configs/aqa7.yaml."""

    def __call__(
        self, parser: argparse.ArgumentParser, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Read the file that `values` names."""
        super().__call__(parser, cfg, str(find_config(values)), option_string)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Given:
    """Something that the user wrote.

    Attributes:
        key: without `init_args`, such as "model.encoder.channels"; of a list, the key of the list.
        value: as written; None where further keys follow.
        where: "command line", or file and line.
        in_list: whether it stands in a list.
    """

    key: str
    value: str | None
    where: str
    in_list: bool = False


def given(words: Sequence[str]) -> list[Given]:
    """Every key and value of the configs that `words` names, then of the words themselves."""
    names, line = _sorted_out(words)
    return [item for path in (BASE, *map(find_config, names)) for item in read(path)] + line


def on_the_line(words: Sequence[str]) -> list[Given]:
    """Every key and value of the words themselves, whatever is in the configs that they name."""
    return _sorted_out(words)[1]


def _sorted_out(words: Sequence[str]) -> tuple[list[str], list[Given]]:
    """The names of configs, and what the words say themselves."""
    names, line = [], []
    for i, word in enumerate(words):
        if not re.match(r"--?[a-zA-Z]", word):
            continue
        key, equals, value = word.lstrip("-").partition("=")
        if not equals:
            value = words[i + 1] if i + 1 < len(words) and not words[i + 1].startswith("--") else ""
        key = short(key.rstrip("+"))
        if key in ("config", "c"):
            names += [value] if value else []
        else:
            line.append(Given(key, value, "command line"))
            line += _walk(_inline(value), key, "command line", False) if value[:1] in "[{" else []
    return names, line


def read(path: Path) -> list[Given]:
    """Every key and value of a config.

    Raises:
        InputError: it is not a YAML file with keys.
    """
    return list(_walk(_compose(path), "", str(path), False))


def short(key: str) -> str:
    """The key without the layers that may be left out."""
    return ".".join(part for part in key.split(".") if part not in _LAYERS)


def _compose(path: Path) -> yaml.MappingNode:
    """The YAML tree of a config file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check who may read it") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8; save the config as UTF-8 text"
        ) from None
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(
            f"{path}, line {line}: not YAML, {error.problem}; correct the line or the one before"
        ) from None
    except yaml.YAMLError:
        raise InputError(f"{path}: holds characters that YAML does not allow; is it a config at all?") from None
    if node is None or node.tag == "tag:yaml.org,2002:null":
        raise InputError(f"{path}: the config is empty")
    if not isinstance(node, yaml.MappingNode):
        what = "a list" if isinstance(node, yaml.SequenceNode) else "one value"
        raise InputError(f"{path}: the config is {what}, expected keys such as 'data:' and 'model:'")
    _check_doubles(node, path)
    return node


def _check_doubles(node: yaml.Node, path: Path) -> None:
    """Refuse a key that stands twice in one place: YAML would forget the first silently."""
    if isinstance(node, yaml.MappingNode):
        names = set()
        for name, value in node.value:
            if name.value in names:
                line = name.start_mark.line + 1
                raise InputError(f"{path}, line {line}: {quoted(name.value)} is there twice; put both under one key")
            names.add(name.value)
            _check_doubles(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_doubles(value, path)


def _inline(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return None


def _walk(node: yaml.Node | None, prefix: str, source: str, in_list: bool) -> Iterator[Given]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                yield Given(prefix, item.value, _where(source, item), True)
            yield from _walk(item, prefix, source, True)
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            key = short(".".join(filter(None, (prefix, str(name.value).rstrip("+")))))  # `callbacks+:` adds to a list
            text = value.value if isinstance(value, yaml.ScalarNode) else None
            yield Given(key, text, _where(source, name), in_list)
            yield from _walk(value, key, source, in_list)


def _where(source: str, node: yaml.Node) -> str:
    return source if source == "command line" else f"{source}, line {node.start_mark.line + 1}"
