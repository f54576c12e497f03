"""Settings, from a user's YAML to objects: read safely, as dotted keys, built. Everybody may import it, so it is light.

It stands on the ground floor because `run_folder` builds the encoder of a checkpoint by it, the command line all else.
"""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import yaml

from errors import InputError, quoted

DEEPEST: Final = 100
MOST: Final = 200_000
"""Keys and values in one text, what its aliases repeat among them."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # in C it is ten times as fast
    """Plain types alone; whatever is wrong with a value is a YAMLError that says in which line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node."""
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception as error:  # of any kind: KeyError for !!bool x, AttributeError for !!timestamp x, ...
            problem = f"{quoted(node.value)} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def read_text(path: Path) -> str:
    """A file of a user, in UTF-8.

    Raises:
        InputError: it cannot be read, or is in another encoding.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and who may read it") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8; save the file as UTF-8 text"
        ) from None


def read_yaml(path: Path) -> Any:
    """What the YAML of a file says, see `load_yaml`."""
    return load_yaml(read_text(path), str(path))


def load_yaml(text: str | bytes, where: str) -> Any:
    """What YAML says, in plain types alone.

    Args:
        text: the YAML.
        where: what it is, for error messages.

    Raises:
        InputError: see `compose`; or a tag, date, number or merge key is none.
    """
    node = compose(text, where)
    if node is None:
        return None
    try:
        return _Loader("").construct_document(node)
    except yaml.YAMLError as error:
        raise _refusal(error, where, "") from None


def compose(text: str | bytes, where: str) -> yaml.Node | None:
    """The tree of a YAML text, with line numbers; None of an empty text.

    Raises:
        InputError: no YAML; a key that is there twice (YAML would forget the first) or is no plain value; a tree deeper
            than `DEEPEST`, as one that holds itself is, or larger than `MOST`.
    """
    try:
        node: yaml.Node | None = yaml.compose(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _refusal(error, where, "not YAML, ") from None
    if node is not None:
        _check(node, where, 0, iter(range(MOST)))
    return node


def flatten(tree: Mapping[Any, Any], prefix: str = "", items: bool = False) -> dict[str, Any]:
    """Nested keys as dotted ones, `init_args` left out: model.encoder.channels.

    An empty mapping is a value. So is a list, unless `items` numbers what is in it: model.scorers.0.class_path.
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix if key == "init_args" and prefix else f"{prefix}.{key}" if prefix else str(key)
        inner = dict(enumerate(value)) if items and isinstance(value, list) else value
        flat |= flatten(inner, name, items) if isinstance(inner, Mapping) and inner else {name: value}
    return flat


def build(base: type | tuple[type, ...], config: Any, where: str = "") -> Any:
    """An object from its settings.

    Args:
        base: what it is, or what it may be.
        config: `class_path` and `init_args`, or the arguments of `base` itself.
        where: what the settings are those of, for error messages.

    Raises:
        InputError: there is no such class or argument, or the class refuses the settings. What else its constructor
            raises is a bug, and comes out as it is.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    add: Any = parser.add_subclass_arguments if "class_path" in config else parser.add_class_arguments
    add(base, "it")
    start = f"{where} cannot be built: " if where else ""
    try:
        return construct(parser.instantiate, parser.parse_object({"it": config})).it
    except (ArgumentError, InputError) as error:
        raise InputError(start + textwrap.shorten(str(error), 400, placeholder=" ...")) from error


def construct(instantiate: Callable[..., Any], config: Any) -> Any:
    """What `instantiate` of a jsonargparse parser makes of `config`; errors of constructors come out as they are.

    jsonargparse would try other types in place of a class that raised one, and raise a list of what they all said.
    """
    raised: list[Exception] = []

    def make(cls: type, *args: Any, **kwargs: Any) -> Any:
        try:
            _check_given(cls, kwargs)
            return cls(*args, **kwargs)
        except Exception as error:
            raised.append(error)
            raise

    try:
        return instantiate(config, instantiators=[(make, object, True)])
    except Exception:
        if not raised:
            raise
    raise raised[0]


def _check_given(cls: type, arguments: Mapping[str, Any]) -> None:
    """Refuse a key without a value (`depth:`), which jsonargparse lets through in a file, where None is no value."""
    for base in cls.__mro__:
        known = inspect.signature(base.__init__).parameters if "__init__" in vars(base) else {}  # type: ignore[misc]
        for name in known.keys() & arguments.keys():
            kind = known[name].annotation
            may_be_none = kind in (inspect.Parameter.empty, Any, object) or any(
                one in (None, type(None)) for one in get_args(kind)
            )
            if arguments[name] is None and known[name].default is not None and not may_be_none:
                raise InputError(f"{cls.__name__}: {name} has no value; give one, or leave it out")


def _refusal(error: Exception, where: str, what: str) -> InputError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return InputError(f"{where}: holds characters that YAML does not allow; is it a text file at all?")
    problem = " ".join(str(getattr(error, "problem", "")).split())
    return InputError(f"{where}, line {mark.line + 1}: {what}{problem:.120}; correct the line or the one before")


def _check(node: yaml.Node, where: str, depth: int, left: Any) -> None:
    line = node.start_mark.line + 1
    if depth > DEEPEST:
        raise InputError(f"{where}, line {line}: more than {DEEPEST} levels deep, or an alias holds itself; write less")
    if next(left, None) is None:
        raise InputError(f"{where}: more than {MOST} keys and values, aliases written out; write less")
    values = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        names = set()
        for name, _ in node.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                raise InputError(f"{where}, line {line}: a key is a list or has keys itself; write one plain value")
            if name.value in names:
                raise InputError(f"{where}, line {line}: {quoted(name.value)} is there twice; put both under one key")
            names.add(name.value)
        values = [value for _, value in node.value]
    for value in values:
        _check(value, where, depth + 1, left)
