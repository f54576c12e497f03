"""Finding and reading config files, and what a command line says altogether."""

import argparse
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, _typehints, get_loader, set_loader  # type: ignore[attr-defined]

from errors import InputError
from settings import compose, read_text, read_yaml

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
BASE = CONFIGS / "trainer.yaml"

KEPT = ("scorers",)
"""Options that another class keeps: a dataset's config says how its clips are scored, and which scorer leads."""

_LAYERS = ("init_args", "class_path", "dict_kwargs")  # may stand between a key and its parent, or be left out


def find_config(name: str) -> Path:
    """The config file `name`: a path, or the name of a file in configs/, with or without .yaml.

    Raises:
        InputError: there is none, or it is not a YAML file with keys.
    """
    for candidate in (Path(name), CONFIGS / name, CONFIGS / f"{name}.yaml"):
        if candidate.is_file():
            content_of(candidate)
            return candidate
    known = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml"))
    if Path(name).is_dir():
        raise InputError(f"config {name!r} is a folder; name a file in it, or one of {', '.join(known)}")
    near = difflib.get_close_matches(name, known, 1)
    plain = [one for one in known if "/" not in one]  # those of `fit`; ablations have a folder of their own
    hint = f"did you mean {near[0]!r}?" if near else f"configs/ has {', '.join(plain)}"
    raise InputError(f"no config {name!r}, here or in configs/; {hint}")


def content_of(path: Path) -> dict[str, Any]:
    """What a config says.

    Raises:
        InputError: it is not a YAML file with keys.
    """
    content = read_yaml(path)
    if content is None:
        raise InputError(f"{path}: the config is empty")
    if not isinstance(content, dict):
        what = "a list" if isinstance(content, list) else "one value"
        raise InputError(f"{path}: the config is {what}, expected keys such as 'data:' and 'model:'")
    return content


_their_yaml = get_loader("yaml")
_their_discard = _typehints.discard_init_args_on_class_path_change


def _load(text: str) -> Any:
    """Jsonargparse's reading of YAML, also of values on the command line: whatever is wrong with it is a YAMLError."""
    try:
        compose(text, "value")
        return _their_yaml(text)
    except Exception as error:
        raise yaml.YAMLError(str(error)) from error


def _discard(parser_or_action: Any, before: Any, now: Any) -> None:
    """Forget the options of a class where another one is named: an overlay's class has its own defaults.

    Without this jsonargparse keeps each option that the new class takes too, such as the embedding of another encoder.
    What is kept is said: the options of a class that is named again, and `KEPT`.
    """
    if before and "init_args" in before and before["class_path"] != now["class_path"]:
        for name in vars(before["init_args"]).keys() - set(KEPT):
            del before["init_args"][name]
    _their_discard(parser_or_action, before, now)  # type: ignore[no-untyped-call]  # jsonargparse has no types


# one hook for configs and the command line, at any depth; there is no public one, and requirements pin the version
_typehints.discard_init_args_on_class_path_change = _discard
set_loader("yaml", _load, (yaml.YAMLError,))


class ConfigFile(ActionConfigFile):
    """`--config aqa7.yaml` finds configs/aqa7.yaml; a command that trains nothing takes of one for `fit` the data."""

    def __call__(
        self, parser: argparse.ArgumentParser, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Read the file that `values` names."""
        path = find_config(values)
        text, content = str(path), content_of(path)
        if "model" in content and "--model" not in parser._option_string_actions:
            text = yaml.safe_dump({key: content[key] for key in content.keys() & {"data"}})
        super().__call__(parser, cfg, text, option_string)  # type: ignore[no-untyped-call]


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
    configs = (BASE, *map(find_config, split(words)[0]))
    return [item for path in configs for item in read(path)] + on_the_line(words)


def on_the_line(words: Sequence[str]) -> list[Given]:
    """Every key and value of the words themselves, whatever is in the configs that they name."""
    line: list[Given] = []
    others = split(words)[1]
    for i, word in enumerate(others):
        if not re.match(r"--?[a-zA-Z]", word):
            continue
        key, equals, value = word.lstrip("-").partition("=")
        if not equals:
            value = others[i + 1] if i + 1 < len(others) and not others[i + 1].startswith("--") else ""
        appended, key = key.endswith("+"), short(key.rstrip("+"))
        line.append(Given(key, value, "command line", appended))
        line += _walk(_inline(value), key, "command line", appended) if value[:1] in "[{" else []
    return line


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of configs among words, and the other words, a --config without a name among them."""
    names, others, left = [], [], list(words)
    while left:
        word, equals, value = left.pop(0).partition("=")
        if word in ("--config", "-c") and (value or (left and not left[0].startswith("--"))):
            names.append(value or left.pop(0))
        else:
            others.append(word + equals + value)
    return names, others


def read(path: Path) -> list[Given]:
    """Every key and value of a config.

    Raises:
        InputError: it is not a YAML file.
    """
    return list(_walk(compose(read_text(path), str(path)), "", str(path), False))


def short(key: str) -> str:
    """The key without the layers that may be left out."""
    return ".".join(part for part in key.split(".") if part not in _LAYERS)


def _inline(text: str) -> yaml.Node | None:
    try:
        return compose(text, "command line")
    except InputError:  # the parser says what is wrong with it
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
